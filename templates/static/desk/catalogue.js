// The form of a reward shows the fields its type and its cost have. Without this file it shows them all.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const type = document.querySelector("select[data-fields]");
  if (!type) return;
  const own = JSON.parse(type.dataset.fields);
  const every = new Set(Object.values(own).flat());
  const row = (name) => document.querySelector(`.form-row.field-${name}`);
  const field = (name) => document.getElementById(`id_${name}`);
  const show = (name, wanted) => {
    const found = row(name);
    const input = field(name);
    if (!found || !input) return;
    const several = input.querySelector("input[type=checkbox]") !== null; // a list of boxes
    const ticked = several ? input.querySelector("input:checked") !== null : input.checked;
    const filled = several || input.type === "checkbox" ? ticked : input.value !== "" && input.value !== undefined;
    const refused = found.querySelector(".errorlist") !== null;
    found.hidden = !(wanted || filled || refused); // what is filled in is never out of sight
  };
  const costs = {
    fixed: ["points_price"],
    variable: ["variable_points_step", "variable_points_step_reward_value", "variable_points_min", "variable_points_max"],
  };
  const refresh = () => {
    const shown = own[type.value] || [...every];
    const coupon = field("carries_code");
    const without = type.value === "gift" && coupon && !coupon.checked;
    const ofCoupon = ["percent", "amount", "prefix", "connection", "minimum_order", "collections", "combines_with"];
    every.forEach((name) => show(name, shown.includes(name) && !(without && ofCoupon.includes(name))));
    const cost = field("cost");
    if (cost) Object.entries(costs).forEach(([kind, names]) => names.forEach((name) => show(name, cost.value === kind)));
    const restricted = field("restricted");
    if (restricted) ["tiers", "audience"].forEach((name) => show(name, restricted.checked));
  };
  document.addEventListener("change", (event) => {
    if (["id_type", "id_cost", "id_carries_code", "id_restricted"].includes(event.target.id)) refresh();
  });
  refresh();
});
