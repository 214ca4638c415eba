// A client of the API in plain Node: no package, and exactly the calls that real integrations make.

const WAITED_AT_MOST = 20;

export class Refused extends Error {
  constructor(status, { code, message, request_id: requestId }) {
    super(message);
    this.status = status;
    this.code = code;
    this.requestId = requestId;
  }
}

export class LoyaltyDesk {
  constructor({ url, key }) {
    this.base = `${url.replace(/\/$/, "")}/api/v1`;
    this.key = key;
    this.waits = 0; // how often we were asked to come again
  }

  async ask(method, path, { query = {}, body, idempotencyKey } = {}) {
    const address = new URL(this.base + path);
    for (const [name, value] of Object.entries(query)) address.searchParams.set(name, value);
    const headers = { Authorization: `Bearer ${this.key}` };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    if (idempotencyKey) headers["Idempotency-Key"] = idempotencyKey;
    for (let turn = 0; ; turn += 1) {
      const answer = await fetch(address, { method, headers, body: body && JSON.stringify(body) });
      if (answer.status === 429 && turn < WAITED_AT_MOST) {
        this.waits += 1;
        await answer.arrayBuffer();
        await new Promise((resume) => setTimeout(resume, Number(answer.headers.get("Retry-After")) * 1000));
        continue;
      }
      const told = await answer.json();
      if (!answer.ok) throw new Refused(answer.status, told.error);
      return told;
    }
  }

  async customerByEmail(email) {
    const { customers } = await this.ask("GET", "/customers", { query: { email, limit: 1 } });
    return customers[0] ?? null;
  }

  async adjust({ wrapped = true, idempotencyKey, ...change }) {
    const body = wrapped ? { points_transaction: change } : change;
    return (await this.ask("POST", "/points_transactions", { body, idempotencyKey })).points_transaction;
  }

  async products() {
    return (await this.ask("GET", "/points_products", { query: { page: 1, page_size: 250 } })).points_products;
  }

  async purchase(productId, body) {
    return (await this.ask("POST", `/points_products/${productId}/purchase`, { body })).points_purchase;
  }

  async *all(name, query = {}) {
    let cursor = null;
    do {
      const page = await this.ask("GET", `/${name}`, { query: cursor ? { ...query, cursor } : query });
      yield* page[name];
      cursor = page.metadata.next_cursor;
    } while (cursor);
  }
}
