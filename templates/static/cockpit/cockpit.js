"use strict";

// The pages work without this file. It copies codes, sends a form once, and waits for the shop's answer.

for (const button of document.querySelectorAll("[data-copy]")) {
  const code = document.getElementById(button.dataset.copy);
  const label = button.querySelector("[aria-live]");
  const before = label.textContent;
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(code.textContent.trim());
    } catch {
      getSelection().selectAllChildren(code);
      if (!document.execCommand("copy")) return; // selected: the person copies it themselves
    }
    label.textContent = button.dataset.done;
    button.classList.add("done");
    setTimeout(() => {
      label.textContent = before;
      button.classList.remove("done");
    }, 2500);
  });
}

for (const form of document.querySelectorAll("form[data-once]")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "yes";
    form.classList.add("busy");
  });
}

addEventListener("pageshow", (event) => {
  if (!event.persisted) return; // back from the next page: the form may be sent again
  for (const form of document.querySelectorAll("form[data-once]")) {
    delete form.dataset.sent;
    form.classList.remove("busy");
  }
});

for (const tip of document.querySelectorAll(".with-tip")) {
  addEventListener("keydown", (event) => {
    if (event.key === "Escape") tip.classList.add("dismissed");
  });
  for (const arrival of ["mouseenter", "focusin"]) {
    tip.addEventListener(arrival, () => tip.classList.remove("dismissed"));
  }
}

for (const waiting of document.querySelectorAll("[data-wait]")) {
  const pause = Number(waiting.dataset.seconds) * 1000;
  const look = async () => {
    try {
      const answer = await fetch(waiting.dataset.wait, { headers: { Accept: "application/json" } });
      const over = answer.redirected || answer.status === 404 || (answer.ok && (await answer.json()).known);
      if (over) {
        location.reload();
        return;
      }
    } catch {
      // offline for a moment, or we are: look again
    }
    setTimeout(look, pause);
  };
  setTimeout(look, pause);
}

// How many points: the page as it would be for what is typed, and no redeeming until it is there.
for (const choice of document.querySelectorAll("[data-how-many]")) {
  const field = choice.querySelector("[name=points]");
  const redeem = document.querySelector("form[data-once] button[type=submit]");
  let asked = 0;
  const show = choice.querySelector("button");
  show.type = "button"; // no longer what Enter presses
  show.hidden = true;
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter") event.preventDefault();
  });
  const slide = choice.querySelector("[data-slide]");
  if (slide !== null) {
    slide.hidden = false;
    slide.addEventListener("input", () => {
      field.value = slide.value;
      field.dispatchEvent(new Event("input"));
    });
  }
  field.addEventListener("input", () => {
    if (slide !== null) slide.value = field.value;
    const mine = (asked += 1);
    redeem.disabled = true;
    setTimeout(async () => {
      if (mine !== asked || !field.value) return;
      const answer = await fetch(`${field.form.action}?points=${encodeURIComponent(field.value)}`).catch(() => null);
      if (mine !== asked || answer === null) return;
      const told = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (mine !== asked) return;
      for (const part of document.querySelectorAll("[data-part]")) {
        const news = told.querySelector(`[data-part="${part.dataset.part}"]`);
        if (news !== null) part.replaceChildren(...news.childNodes);
      }
      const button = told.querySelector("form[data-once] button[type=submit]");
      redeem.disabled = button === null || button.disabled;
    }, 200);
  });
}
