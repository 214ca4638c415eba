// Gives a freshly migrated Medusa shop something to sell, over its own Admin API: one region (Germany, USD), one way of
// delivery (5.00), two products (MUG 20.00, TEA 8.00), each in a collection of its own. Prints what shoppers and integrations need as JSON.
//
//   node seed.js http://127.0.0.1:9000 admin@example.com password
'use strict';

const [address, email, password] = process.argv.slice(2);
let token = '';

async function call(path, body, method = body ? 'POST' : 'GET') {
  const answer = await fetch(address + path, {
    method,
    headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
    body: body && JSON.stringify(body),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path} answered ${answer.status}: ${text.slice(0, 500)}`);
  return JSON.parse(text);
}

async function sell(title, sku, price, { salesChannel, profile }) {
  const { collection } = await call('/admin/collections', { title: `Only ${title}` });
  const { product } = await call('/admin/products', {
    title, status: 'published', collection_id: collection.id, shipping_profile_id: profile,
    options: [{ title: 'Size', values: ['One'] }], sales_channels: [{ id: salesChannel }],
    variants: [{
      title: 'One', sku, options: { Size: 'One' }, manage_inventory: false,
      prices: [{ amount: price, currency_code: 'usd' }],
    }],
  });
  return { product: product.id, variant: product.variants[0].id, collection: collection.id };
}

async function main() {
  ({ token } = await call('/auth/user/emailpass', { email, password }));
  const store = (await call('/admin/stores')).stores[0];
  await call(`/admin/stores/${store.id}`, {
    name: 'A Medusa shop', supported_currencies: [{ currency_code: 'usd', is_default: true }],
  });
  const salesChannel = (await call('/admin/sales-channels')).sales_channels[0].id;
  const { region } = await call('/admin/regions', {
    name: 'Europe', currency_code: 'usd', countries: ['de'], payment_providers: ['pp_system_default'],
  });

  const location = (await call('/admin/stock-locations', { name: 'Here' })).stock_location.id;
  await call(`/admin/stock-locations/${location}/fulfillment-providers`, { add: ['manual_manual'] });
  await call(`/admin/stock-locations/${location}/sales-channels`, { add: [salesChannel] });
  const housed = await call(`/admin/stock-locations/${location}/fulfillment-sets?fields=*fulfillment_sets`, {
    name: 'Delivery', type: 'shipping',
  });
  const set = housed.stock_location.fulfillment_sets[0].id;
  const zoned = await call(`/admin/fulfillment-sets/${set}/service-zones`, {
    name: 'Germany', geo_zones: [{ type: 'country', country_code: 'de' }],
  });
  const profile = (await call('/admin/shipping-profiles')).shipping_profiles[0].id;
  const { shipping_option: delivery } = await call('/admin/shipping-options', {
    name: 'Standard', service_zone_id: zoned.fulfillment_set.service_zones[0].id, shipping_profile_id: profile,
    provider_id: 'manual_manual', price_type: 'flat', prices: [{ currency_code: 'usd', amount: 5 }],
    type: { label: 'Standard', description: 'By post', code: 'standard' },
    rules: [
      { attribute: 'enabled_in_store', operator: 'eq', value: 'true' },
      { attribute: 'is_return', operator: 'eq', value: 'false' },
    ],
  });

  const place = { salesChannel, profile };
  const goods = { MUG: await sell('Mug', 'MUG', 20, place), TEA: await sell('Tea', 'TEA', 8, place) };
  const shopping = (await call('/admin/api-keys', { title: 'Storefront', type: 'publishable' })).api_key;
  await call(`/admin/api-keys/${shopping.id}/sales-channels`, { add: [salesChannel] });
  const integration = (await call('/admin/api-keys', { title: 'Loyalty Desk', type: 'secret' })).api_key;
  console.log(JSON.stringify({
    secretKey: integration.token, publishableKey: shopping.token, region: region.id, delivery: delivery.id, goods,
  }));
}

main().catch(error => {
  console.error(error);
  process.exit(1);
});
