"""The GraphQL documents we send to Shopify's Admin API. Each is valid in every version of `sentences.VERSIONS`."""

_CODE = """
fragment Code on DiscountCodeNode {
  id
  codeDiscount {
    __typename
    ... on DiscountCodeBasic {
      status endsAt usageLimit asyncUsageCount tags
      codesCount { count }
      codes(first: 1) { nodes { code } }
      combinesWith { orderDiscounts productDiscounts shippingDiscounts }
      context { __typename ... on DiscountCustomers { customers { id } } }
      minimumRequirement { __typename ... on DiscountMinimumSubtotal { greaterThanOrEqualToSubtotal { ...Money } } }
      customerGets {
        value {
          __typename
          ... on DiscountPercentage { percentage }
          ... on DiscountAmount { amount { ...Money } appliesOnEachItem }
        }
        items {
          __typename
          ... on DiscountCollections { collections(first: 25) { nodes { id } } }
          ... on DiscountProducts { productVariants(first: 2) { nodes { id } } products(first: 1) { nodes { id } } }
        }
      }
    }
    ... on DiscountCodeFreeShipping {
      status endsAt usageLimit asyncUsageCount tags
      codesCount { count }
      codes(first: 1) { nodes { code } }
      combinesWith { orderDiscounts productDiscounts shippingDiscounts }
      context { __typename ... on DiscountCustomers { customers { id } } }
      minimumRequirement { __typename ... on DiscountMinimumSubtotal { greaterThanOrEqualToSubtotal { ...Money } } }
    }
    ... on DiscountCodeBxgy {
      status endsAt usageLimit asyncUsageCount tags
      codesCount { count }
      codes(first: 1) { nodes { code } }
    }
    ... on DiscountCodeApp {
      status endsAt usageLimit asyncUsageCount tags
      codesCount { count }
      codes(first: 1) { nodes { code } }
    }
  }
}
"""
_MONEY = "fragment Money on MoneyV2 { amount currencyCode }\n"
_MADE = "codeDiscountNode { ...Code } userErrors { field code message }"

# Each line costs some twenty points, half of them for the collections of its product.
_LINE = """
fragment Line on LineItem {
  quantity
  originalTotalSet { shopMoney { ...Money } }
  discountAllocations { allocatedAmountSet { shopMoney { ...Money } } }
  taxLines { priceSet { shopMoney { ...Money } } }
  product { id productType tags collections(first: 10) { nodes { id } } }
}
"""
_ORDER = """
fragment Whole on Order {
  id name test createdAt updatedAt cancelledAt fullyPaid displayFinancialStatus discountCodes email
  customer { id defaultEmailAddress { emailAddress } }
  totalPriceSet { shopMoney { ...Money } }
  totalDiscountsSet { shopMoney { ...Money } }
  totalTaxSet { shopMoney { ...Money } }
  taxesIncluded
  shippingLine { discountedPriceSet { shopMoney { ...Money } } taxLines { priceSet { shopMoney { ...Money } } } }
  lineItems(first: $lines) { nodes { ...Line } pageInfo { hasNextPage endCursor } }
  discountApplications(first: 5) { nodes { __typename ... on DiscountCodeApplication { code } } }
  refunds(first: $refunds) { id createdAt totalRefundedSet { shopMoney { ...Money } } }
}
"""

WHO = """
query Who {
  shop { name myshopifyDomain currencyCode }
  currentAppInstallation { accessScopes { handle } }
  webhookSubscriptions(first: 50) { nodes { topic uri } }
}
"""

CREATE_BASIC = (
    "mutation CreateBasic($discount: DiscountCodeBasicInput!) {\n"
    f"  discountCodeBasicCreate(basicCodeDiscount: $discount) {{ {_MADE} }}\n}}\n{_CODE}{_MONEY}"
)
CREATE_FREE_SHIPPING = (
    "mutation CreateFreeShipping($discount: DiscountCodeFreeShippingInput!) {\n"
    f"  discountCodeFreeShippingCreate(freeShippingCodeDiscount: $discount) {{ {_MADE} }}\n}}\n{_CODE}{_MONEY}"
)
UPDATE_BASIC = """
mutation UpdateBasic($id: ID!, $discount: DiscountCodeBasicInput!) {
  discountCodeBasicUpdate(id: $id, basicCodeDiscount: $discount) { userErrors { field code message } }
}
"""
UPDATE_FREE_SHIPPING = """
mutation UpdateFreeShipping($id: ID!, $discount: DiscountCodeFreeShippingInput!) {
  discountCodeFreeShippingUpdate(id: $id, freeShippingCodeDiscount: $discount) { userErrors { field code message } }
}
"""
DEACTIVATE = """
mutation Deactivate($id: ID!) {
  discountCodeDeactivate(id: $id) { userErrors { field code message } }
}
"""

FIND_CODE = f"""
query FindCode($code: String!, $orders: String!) {{
  codeDiscountNodeByCode(code: $code) {{ ...Code }}
  orders(first: 10, query: $orders, sortKey: UPDATED_AT, reverse: true) {{
    nodes {{ id test cancelledAt fullyPaid displayFinancialStatus discountCodes }}
  }}
}}
{_CODE}{_MONEY}"""
FIND_BY_ID = f"query FindById($id: ID!) {{ codeDiscountNode(id: $id) {{ ...Code }} }}\n{_CODE}{_MONEY}"
LIST_CODES = f"""
query ListCodes($first: Int!, $query: String!) {{
  codeDiscountNodes(first: $first, query: $query, sortKey: ID) {{ nodes {{ ...Code }} pageInfo {{ hasNextPage }} }}
}}
{_CODE}{_MONEY}"""

FIND_CUSTOMER = """
query FindCustomer($email: String!) {
  customerByIdentifier(identifier: { emailAddress: $email }) { id }
}
"""

READ_ORDER = f"""
query ReadOrder($id: ID!, $refunds: Int!, $lines: Int!) {{ order(id: $id) {{ ...Whole }} }}
{_ORDER}{_LINE}{_MONEY}"""
MORE_LINES = f"""
query MoreLines($id: ID!, $lines: Int!, $after: String!) {{
  order(id: $id) {{ lineItems(first: $lines, after: $after) {{ nodes {{ ...Line }} pageInfo {{ hasNextPage endCursor }} }} }}
}}
{_LINE}{_MONEY}"""
ORDERS_SINCE = f"""
query OrdersSince($first: Int!, $after: String, $query: String!, $refunds: Int!, $lines: Int!) {{
  orders(first: $first, after: $after, query: $query, sortKey: UPDATED_AT) {{
    nodes {{ ...Whole }}
    pageInfo {{ hasNextPage endCursor }}
  }}
}}
{_ORDER}{_LINE}{_MONEY}"""

FIND_VARIANT = """
query FindVariant($variant: ID!, $product: ID!) {
  productVariant(id: $variant) { id price }
  product(id: $product) { variants(first: 2) { nodes { id price } } }
}
"""

WEBHOOKS = """
query Webhooks($uri: String!) {
  webhookSubscriptions(first: 50, uri: $uri) { nodes { topic uri } }
}
"""
SUBSCRIBE = """
mutation Subscribe($topic: WebhookSubscriptionTopic!, $webhook: WebhookSubscriptionInput!) {
  webhookSubscriptionCreate(topic: $topic, webhookSubscription: $webhook) {
    webhookSubscription { id }
    userErrors { field message }
  }
}
"""

ORDERS_WITH = """
query OrdersWith($orders: String!) {
  orders(first: 100, query: $orders, sortKey: UPDATED_AT, reverse: true) {
    nodes { id test cancelledAt fullyPaid displayFinancialStatus discountCodes }
  }
}
"""

_CARD = """
fragment Card on GiftCard { id enabled lastCharacters expiresOn note initialValue { ...Money } balance { ...Money } }
"""

ZONE = "query Zone { shop { ianaTimezone } }"
CREATE_GIFT_CARD = f"""
mutation CreateGiftCard($card: GiftCardCreateInput!) {{
  giftCardCreate(input: $card) {{ giftCard {{ ...Card }} giftCardCode userErrors {{ field code message }} }}
}}
{_CARD}{_MONEY}"""
FIND_GIFT_CARDS = f"""
query FindGiftCards($code: String!) {{
  shop {{ ianaTimezone }}
  giftCards(first: 10, query: $code) {{ nodes {{ ...Card }} }}
}}
{_CARD}{_MONEY}"""
READ_GIFT_CARD = f"""
query ReadGiftCard($id: ID!) {{
  shop {{ ianaTimezone }}
  giftCard(id: $id) {{ ...Card }}
}}
{_CARD}{_MONEY}"""
DISABLE_GIFT_CARD = """
mutation DisableGiftCard($id: ID!) {
  giftCardDeactivate(id: $id) { userErrors { field code message } }
}
"""
EXTEND_GIFT_CARD = """
mutation ExtendGiftCard($id: ID!, $card: GiftCardUpdateInput!) {
  giftCardUpdate(id: $id, input: $card) { userErrors { field message } }
}
"""

_BESIDE = "beside: codes(first: 2) { nodes { id } }"
_AMONG = f"codes(first: 20, query: $code) {{ nodes {{ id code asyncUsageCount }} }} {_BESIDE}"
FIND_AMONG_MANY = f"""
query FindAmongMany($id: ID!, $code: String!) {{
  codeDiscountNode(id: $id) {{
    codeDiscount {{
      ... on DiscountCodeBasic {{ {_AMONG} }}
      ... on DiscountCodeFreeShipping {{ {_AMONG} }}
      ... on DiscountCodeBxgy {{ {_AMONG} }}
      ... on DiscountCodeApp {{ {_AMONG} }}
    }}
  }}
}}
"""
# Without a search, among all that we put under one discount, which is of one of two kinds.
_ALL = f"codes(first: 250) {{ nodes {{ id code asyncUsageCount }} }} {_BESIDE}"
FIND_AMONG_ALL = f"""
query FindAmongAll($id: ID!) {{
  codeDiscountNode(id: $id) {{
    codeDiscount {{ ... on DiscountCodeBasic {{ {_ALL} }} ... on DiscountCodeFreeShipping {{ {_ALL} }} }}
  }}
}}
"""
_PAGE_OF_MANY = (
    "many: codes(first: 25, after: $after) { nodes { code asyncUsageCount } pageInfo { hasNextPage endCursor } }"
)
LIST_AMONG_MANY = f"""
query ListAmongMany($id: ID!, $after: String) {{
  codeDiscountNode(id: $id) {{
    ...Code
    codeDiscount {{
      ... on DiscountCodeBasic {{ {_PAGE_OF_MANY} }}
      ... on DiscountCodeFreeShipping {{ {_PAGE_OF_MANY} }}
      ... on DiscountCodeBxgy {{ {_PAGE_OF_MANY} }}
      ... on DiscountCodeApp {{ {_PAGE_OF_MANY} }}
    }}
  }}
}}
{_CODE}{_MONEY}"""
# Without `ids` Shopify would take a search instead, and delete all that it finds: one id is not to be left out.
REMOVE_FROM_MANY = """
mutation RemoveFromMany($discount: ID!, $code: ID!) {
  discountCodeRedeemCodeBulkDelete(discountId: $discount, ids: [$code]) {
    job { id done }
    userErrors { field code message }
  }
}
"""
JOB = "query JobDone($id: ID!) { job(id: $id) { id done } }"

_PROGRESS = "id done codesCount importedCount failedCount"
ADD_TO_MANY = f"""
mutation AddToMany($discount: ID!, $codes: [DiscountRedeemCodeInput!]!) {{
  discountRedeemCodeBulkAdd(discountId: $discount, codes: $codes) {{
    bulkCreation {{ {_PROGRESS} }}
    userErrors {{ field code message }}
  }}
}}
"""
BULK_PROGRESS = f"query BulkProgress($id: ID!) {{ discountRedeemCodeBulkCreation(id: $id) {{ {_PROGRESS} }} }}"
BULK_RESULTS = """
query BulkResults($id: ID!, $first: Int!, $after: String) {
  discountRedeemCodeBulkCreation(id: $id) {
    codes(first: $first, after: $after) {
      nodes { code discountRedeemCode { id } errors { field code message } }
      pageInfo { hasNextPage endCursor }
    }
  }
}
"""

GIVE_CREDIT = f"""
mutation GiveCredit($customer: ID!, $credit: StoreCreditAccountCreditInput!) {{
  storeCreditAccountCredit(id: $customer, creditInput: $credit) {{
    storeCreditAccountTransaction {{ id createdAt expiresAt amount {{ ...Money }} }}
    userErrors {{ field code message }}
  }}
}}
{_MONEY}"""
CREDITS_OF = f"""
query CreditsOf($customer: ID!) {{
  customer(id: $customer) {{
    storeCreditAccounts(first: 5) {{
      nodes {{
        transactions(first: 25, query: "type:credit", sortKey: CREATED_AT, reverse: true) {{
          nodes {{
            __typename
            ... on StoreCreditAccountCreditTransaction {{ id createdAt expiresAt amount {{ ...Money }} }}
          }}
          pageInfo {{ hasNextPage }}
        }}
      }}
    }}
  }}
}}
{_MONEY}"""
CREDIT_SHOP = """
query CreditShop {
  shop { name currencyCode }
  currentAppInstallation { accessScopes { handle } }
  storeCreditConfiguration { storeCreditEnabled }
}
"""
