// <loyalty-desk desk="https://rewards.example" token="/loyalty-token"></loyalty-desk>
//
// A customer's points and rewards on the shop's own page. `token` is an address of the shop, of the page's own origin, that
// answers {"token": "…"} for whoever is signed in there, or 204 for nobody. Nothing but that address and the desk is asked.
// Parts can be styled from outside: ::part(balance), ::part(offer), ::part(button), ::part(code). Words: see WORDS.

(() => {
  "use strict";

  const WORDS = {
    en: {
      title: "Your rewards", signedOut: "Sign in to see your points.", broken: "Your points cannot be shown just now.",
      again: "Try again", redeem: "Redeem", for: (cost, label) => `${cost} ${label}`, sure: (name, cost, label) => `Redeem “${name}” for ${cost} ${label}?`,
      yes: "Yes, redeem", no: "Not now", mine: "Yours to use", none: "Nothing to redeem at the moment.", busy: "One moment …",
      got: (name) => `“${name}” is yours.`, code: "Code", copy: "Copy", copied: "Copied",
    },
    de: {
      title: "Ihre Prämien", signedOut: "Melden Sie sich an, um Ihre Punkte zu sehen.", broken: "Ihre Punkte können gerade nicht angezeigt werden.",
      again: "Noch einmal", redeem: "Einlösen", for: (cost, label) => `${cost} ${label}`, sure: (name, cost, label) => `„${name}“ für ${cost} ${label} einlösen?`,
      yes: "Ja, einlösen", no: "Jetzt nicht", mine: "Zum Einlösen bereit", none: "Zurzeit gibt es nichts einzulösen.", busy: "Einen Moment …",
      got: (name) => `„${name}“ gehört Ihnen.`, code: "Code", copy: "Kopieren", copied: "Kopiert",
    },
  };

  const STYLE = `
    :host { display: block; color: inherit; font: inherit; line-height: 1.5; --desk-accent: #0f5c5c; --desk-on-accent: #fff; }
    * { box-sizing: border-box; }
    h2 { margin: 0; font-size: 1.25em; }
    h2:focus { outline: none; }
    h3 { margin: 1.25em 0 .5em; font-size: 1em; }
    .balance { margin: .25em 0 1em; font-size: 1.75em; font-weight: 700; font-variant-numeric: tabular-nums; }
    ul { margin: 0; padding: 0; list-style: none; display: grid; gap: .5em; }
    li { display: flex; flex-wrap: wrap; align-items: center; gap: .25em 1em; padding: .75em 1em; border: 1px solid currentColor; border-color: color-mix(in srgb, currentColor 25%, transparent); border-radius: .5em; }
    .name { flex: 1 1 10em; font-weight: 600; }
    .about { flex-basis: 100%; font-size: .9em; }
    button { font: inherit; min-height: 44px; padding: .4em 1em; border: 1px solid var(--desk-accent); border-radius: .4em; background: var(--desk-accent); color: var(--desk-on-accent); cursor: pointer; }
    button.quiet { background: transparent; color: inherit; border-color: currentColor; }
    button[aria-disabled="true"] { background: transparent; color: inherit; border-style: dashed; border-color: currentColor; cursor: not-allowed; }
    button:focus-visible { outline: 3px solid currentColor; outline-offset: 2px; }
    code { font: 600 1em ui-monospace, monospace; overflow-wrap: anywhere; user-select: all; }
    .ask { flex-basis: 100%; display: flex; flex-wrap: wrap; gap: .5em; align-items: center; }
    [role="status"]:not(:empty) { margin: .5em 0; font-weight: 600; }
  `;

  const make = (tag, { text, part, ...properties } = {}, ...children) => {
    const made = Object.assign(document.createElement(tag), properties);
    if (text !== undefined) made.textContent = text;
    if (part) made.setAttribute("part", part);
    made.append(...children);
    return made;
  };

  class Refused extends Error {}

  class LoyaltyDesk extends HTMLElement {
    #token = "";
    #renewal = null; // of the token, while it is under way: three questions need one
    #title = make("h2", { tabIndex: -1 });
    #said = make("p", { part: "status" });
    #body = make("div");

    connectedCallback() {
      if (this.shadowRoot) return;
      const root = this.attachShadow({ mode: "open" });
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(STYLE);
      root.adoptedStyleSheets = [sheet];
      this.#said.setAttribute("role", "status");
      this.#title.textContent = this.#words.title;
      root.append(make("section", {}, this.#title, this.#said, this.#body));
      this.#show();
    }

    get #words() {
      const wanted = (this.closest("[lang]")?.lang || navigator.language).slice(0, 2);
      return WORDS[wanted] || WORDS.en;
    }

    #newToken() {
      this.#renewal ??= this.#fetchToken().finally(() => { this.#renewal = null; });
      return this.#renewal;
    }

    async #fetchToken() {
      const answer = await fetch(this.getAttribute("token"), { credentials: "same-origin", cache: "no-store" });
      this.#token = answer.status === 200 ? (await answer.json()).token : "";
      return this.#token;
    }

    async #ask(path, { body, key } = {}, tries = 3) {
      const token = this.#token;
      const headers = { Authorization: `Bearer ${token}` };
      if (body) Object.assign(headers, { "Content-Type": "application/json", "Idempotency-Key": key });
      const address = `${this.getAttribute("desk").replace(/\/$/, "")}/api/v1/storefront/${path}`;
      const answer = await fetch(address, {
        method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body), credentials: "omit", cache: "no-store",
      });
      if (answer.status === 401 && tries > 1) { // it ended; another question may have renewed it meanwhile
        if (token !== this.#token || (await this.#newToken())) return this.#ask(path, { body, key }, tries - 1);
      }
      if (answer.status === 429 && tries > 1) {
        const wait = Number(answer.headers.get("Retry-After")) || 1;
        await new Promise((go) => setTimeout(go, wait * 1000));
        return this.#ask(path, { body, key }, tries - 1);
      }
      const told = await answer.json();
      if (!answer.ok) throw new Refused(told.error.message);
      return told;
    }

    async #show() {
      const words = this.#words;
      try {
        if (!this.#token && !(await this.#newToken())) {
          this.#body.replaceChildren(make("p", { text: words.signedOut }));
          return;
        }
        const [{ balance }, { offers }, { redeemed_rewards: mine }] = await Promise.all([
          this.#ask("balance"), this.#ask("offers"), this.#ask("redeemed_rewards"),
        ]);
        const number = new Intl.NumberFormat(document.documentElement.lang || undefined);
        const usable = mine.filter((each) => each.status === "issued");
        this.#body.replaceChildren(
          make("p", { className: "balance", part: "balance", text: `${number.format(balance.points_balance)} ${balance.points_label}` }),
          offers.length
            ? make("ul", {}, ...offers.map((each) => this.#offer(each, balance, number)))
            : make("p", { text: words.none }),
          ...(usable.length ? [make("h3", { text: words.mine }), make("ul", {}, ...usable.map((each) => this.#reward(each)))] : []),
        );
      } catch {
        if (!this.#token) { // signed out meanwhile
          this.#body.replaceChildren(make("p", { text: words.signedOut }));
          return;
        }
        const again = make("button", { type: "button", text: words.again, part: "button" });
        again.addEventListener("click", () => this.#show());
        this.#body.replaceChildren(make("p", { text: words.broken }), again);
      }
    }

    #offer(offer, balance, number) {
      const words = this.#words;
      const cost = number.format(offer.cost_in_points);
      const row = make("li", { part: "offer" }, make("span", { className: "name", text: offer.name }));
      const button = make("button", { type: "button", part: "button", text: `${words.redeem} · ${words.for(cost, balance.points_label)}` });
      row.append(button);
      if (offer.description) row.append(make("span", { className: "about", text: offer.description }));
      if (!offer.available) {
        const why = make("span", { className: "about", id: `why-${offer.points_product_id}`, text: offer.reason });
        button.setAttribute("aria-disabled", "true");
        button.setAttribute("aria-describedby", why.id);
        row.append(why);
        return row;
      }
      button.addEventListener("click", () => {
        const yes = make("button", { type: "button", part: "button", text: words.yes });
        const no = make("button", { type: "button", part: "button", className: "quiet", text: words.no });
        const ask = make("div", { className: "ask" }, make("span", { text: words.sure(offer.name, cost, balance.points_label) }), yes, no);
        const key = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
        ask.setAttribute("role", "group");
        button.hidden = true;
        row.append(ask);
        yes.focus();
        no.addEventListener("click", () => { ask.remove(); button.hidden = false; button.focus(); });
        yes.addEventListener("click", () => this.#redeem(offer, yes, key));
      });
      return row;
    }

    async #redeem(offer, button, key) {
      if (button.getAttribute("aria-disabled") === "true") return;
      button.setAttribute("aria-disabled", "true");
      this.#said.textContent = this.#words.busy;
      try {
        const body = { points_to_spend: offer.cost_in_points }; // what was shown, or nothing
        const { redeemed_reward: redeemed } = await this.#ask(`offers/${offer.points_product_id}/redeem`, { body, key });
        await this.#show();
        this.#said.textContent = this.#words.got(redeemed.name);
        this.#title.focus(); // the button that was pressed is gone
      } catch (error) {
        this.#said.textContent = error instanceof Refused ? error.message : this.#words.broken;
        button.removeAttribute("aria-disabled"); // the same key again: nothing is spent twice
      }
    }

    #reward(reward) {
      const words = this.#words;
      const row = make("li", { part: "reward" }, make("span", { className: "name", text: reward.name }));
      if (reward.code) {
        const copy = make("button", { type: "button", part: "button", className: "quiet", text: words.copy });
        copy.setAttribute("aria-label", `${words.copy}: ${reward.code}`);
        copy.addEventListener("click", async () => {
          await navigator.clipboard.writeText(reward.code);
          this.#said.textContent = words.copied;
        });
        row.append(make("code", { part: "code", text: reward.code }), ...(navigator.clipboard ? [copy] : []));
      }
      return row;
    }
  }

  customElements.define("loyalty-desk", LoyaltyDesk);
})();
