// What an integration does in its first hour, told as one JSON object on standard output.

import { LoyaltyDesk, Refused } from "./node_client.mjs";

const { DESK_URL, DESK_KEY, CUSTOMER_EMAIL } = process.env;
const desk = new LoyaltyDesk({ url: DESK_URL, key: DESK_KEY });

const refusal = async (asked) => {
  try {
    await asked;
    return null;
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return { status: error.status, code: error.code, message: error.message };
  }
};

const customer = await desk.customerByEmail(CUSTOMER_EMAIL.toUpperCase());
const told = { found: customer.id, nobody: await desk.customerByEmail("nobody@example.com") };

const change = { customer_id: customer.id, points_change: 300, description: "A warm welcome", idempotencyKey: "hello" };
told.wrapped = await desk.adjust(change);
told.repeated = await desk.adjust(change);
told.flat = await desk.adjust({ wrapped: false, customer_id: String(customer.id), points_change: -20 });
told.negative = await refusal(desk.adjust({ customer_id: customer.id, points_change: -1000000 }));

const [product] = await desk.products();
told.purchase = await desk.purchase(product.id, { customer_id: customer.id });
told.wrappedPurchase = await desk.purchase(product.id, { points_purchase: { customer_id: customer.id } });

told.changes = [];
for await (const row of desk.all("points_transactions", { customer_id: customer.id, limit: 1 })) {
  told.changes.push(row.points_change);
}
told.fulfillments = [];
for await (const row of desk.all("reward_fulfillments", { customer_id: customer.id })) told.fulfillments.push(row.id);

const burst = await Promise.all(Array.from({ length: 4 }, () => desk.customerByEmail(CUSTOMER_EMAIL)));
told.balances = [...new Set(burst.map((each) => each.points_balance))];
told.waits = desk.waits;
told.noKey = await refusal(new LoyaltyDesk({ url: DESK_URL, key: "api_wrong" }).products());

console.log(JSON.stringify(told));
