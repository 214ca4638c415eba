"""The GraphQL documents we send to Vendure's Admin API."""

_SETTINGS = """
fragment Money on Query {
  activeChannel { code token defaultLanguageCode defaultCurrencyCode pricesIncludeTax }
  globalSettings { serverConfig { moneyStrategyPrecision } }
}
"""

_PROMOTION = """
fragment Code on Promotion {
  id createdAt couponCode enabled description endsAt usageLimit
  conditions { code args { name value } }
  actions { code args { name value } }
}
"""

_ORDER = """
fragment Whole on Order {
  id code state active createdAt updatedAt orderPlacedAt totalWithTax total shipping currencyCode
  customer { id emailAddress }
  promotions { id couponCode }
  discounts { adjustmentSource amountWithTax }
  lines {
    quantity proratedLinePrice proratedLinePriceWithTax
    productVariant { product { id collections { id slug } } }
  }
  payments { state updatedAt refunds { id state total updatedAt } }
}
"""

SHOP = "query Shop { ...Money }" + _SETTINGS

MAY_READ_PROMOTIONS = "query MayReadPromotions { promotions(options: { take: 1 }) { totalItems } }"
MAY_READ_ORDERS = "query MayReadOrders { orders(options: { take: 1 }) { totalItems } }"

FIND_CODE = (
    """
query FindCode($code: String!, $take: Int!) {
  ...Money
  promotions(options: { filter: { couponCode: { contains: $code } }, sort: { id: ASC }, take: $take }) {
    totalItems
    items { ...Code }
  }
}
"""
    + _SETTINGS
    + _PROMOTION
)

LIST_CODES = (
    """
query ListCodes($filter: PromotionFilterParameter!, $sort: PromotionSortParameter!, $take: Int!, $skip: Int!) {
  ...Money
  promotions(options: { filter: $filter, sort: $sort, take: $take, skip: $skip }) {
    items { ...Code }
  }
}
"""
    + _SETTINGS
    + _PROMOTION
)

CREATE_CODE = """
mutation CreateCode($input: CreatePromotionInput!) {
  createPromotion(input: $input) {
    __typename
    ... on Promotion { id }
    ... on ErrorResult { errorCode message }
  }
}
"""

DISABLE_CODE = """
mutation DisableCode($id: ID!) {
  updatePromotion(input: { id: $id, enabled: false }) {
    __typename
    ... on Promotion { id }
    ... on ErrorResult { errorCode message }
  }
}
"""

EXTEND_CODE = """
mutation ExtendCode($id: ID!, $endsAt: DateTime!) {
  updatePromotion(input: { id: $id, endsAt: $endsAt }) {
    __typename
    ... on Promotion { id }
    ... on ErrorResult { errorCode message }
  }
}
"""

DELETE_CODE = """
mutation DeleteCode($id: ID!) {
  deletePromotion(id: $id) { result message }
}
"""

READ_ORDER = (
    """
query ReadOrder($id: ID!) {
  ...Money
  order(id: $id) { ...Whole type }
}
"""
    + _SETTINGS
    + _ORDER
)

ORDERS_SINCE = (
    """
query OrdersSince($filter: OrderFilterParameter!, $sort: OrderSortParameter!, $take: Int!, $skip: Int!) {
  ...Money
  orders(options: { filter: $filter, sort: $sort, take: $take, skip: $skip }) {
    items { ...Whole }
  }
}
"""
    + _SETTINGS
    + _ORDER
)
