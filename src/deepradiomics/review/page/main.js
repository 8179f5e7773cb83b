// Starts the page: data in, sheet and large view, header, keys.
"use strict";

(() => {
  const { html } = Review, find = (place) => document.querySelector(place);
  const data = JSON.parse(find("#data").textContent);
  const store = new Review.Store(data);
  let timer = null;
  const say = (text) => {
    find("#status").textContent = text;
    clearTimeout(timer);
    timer = setTimeout(() => { find("#status").textContent = ""; }, 8000);
  };
  const sheet = new Review.Sheet(store, find("#sheet"), (number) => view.open(number));
  const view = new Review.View(store, sheet, find("#view"), say);

  function progress() {
    const count = store.counts(), done = count.all - count.open;
    find("#progress").max = count.all;
    find("#progress").value = done;
    find("#counts").textContent = `${done} of ${count.all} decided: ${count.accept} accepted, ${count.reject} rejected, ` +
      `${count.flag} flagged; ${count.corrected} corrected` + (store.kept ? "" : " — NOT KEPT by this browser: export before you close");
  }
  store.onChange(progress);

  function fillFilter(place, values) {
    find(place).append(...[...new Set(values)].filter((value) => value).sort((a, b) => a.localeCompare(b, undefined, { numeric: true })).map((value) => html("option", { value }, value)));
    if (find(place).options.length < 2) find(place).parentElement.hidden = true;
  }
  fillFilter("#filter-flag", data.cases.flatMap((one) => one.flags));
  fillFilter("#filter-site", data.cases.map((one) => one.site));
  fillFilter("#filter-class", data.cases.map((one) => one.class));
  document.querySelectorAll("[data-filter]").forEach((select) => select.addEventListener("change", () => {
    sheet.filters[select.dataset.filter] = select.value;
    sheet.show();
  }));

  find("#reviewer").value = store.reviewer;
  find("#reviewer").addEventListener("change", (event) => {
    store.reviewer = event.target.value.trim();
    store.save();
  });
  find("#export-json").addEventListener("click", () => Review.download("review.json", store.decisions()));
  find("#export-coco").addEventListener("click", () => Review.download("review_coco.json", store.coco()));
  find("#import").addEventListener("change", async (event) => {
    try {
      store.load(JSON.parse(await event.target.files[0].text()));
      sheet.show();
      say("The decisions of the file are in the page.");
    } catch (error) {
      say(`The file cannot be used: ${error.message}`);
    }
    event.target.value = "";
  });
  find("#theme").addEventListener("click", () => {
    const { dataset } = document.documentElement;
    dataset.theme = getComputedStyle(document.body).colorScheme === "dark" ? "light" : "dark";
  });
  find("#close").addEventListener("click", () => view.close());
  find("#help-button").addEventListener("click", () => find("#help").showModal());

  const reasons = find("#reasons");
  data.reasons.forEach((reason, place) => reasons.querySelector("ol").append(
    html("li", {}, html("button", { onclick: () => reject(reason) }, html("kbd", {}, String(place + 1)), ` ${reason}`))));
  function reject(reason) {
    reasons.close();
    view.decide("reject", reason);
  }
  reasons.addEventListener("keydown", (event) => {
    event.stopPropagation();
    const typing = event.target.matches("input");
    if (!typing && data.reasons[Number(event.key) - 1]) {
      event.preventDefault();
      reject(data.reasons[Number(event.key) - 1]);
    } else if (typing && event.key === "Enter" && event.target.value.trim()) {
      event.preventDefault();
      reject(event.target.value.trim());
      event.target.value = "";
    }
  });

  function undo(back) {
    const number = back ? store.undo() : store.redo();
    if (number === null) say(back ? "There is nothing to undo." : "There is nothing to redo.");
    else if (view.isOpen && number !== view.number) view.open(number);
  }

  const keys = {
    a: () => view.decide("accept"), f: () => view.decide("flag"), r: () => reasons.showModal(),
    n: () => view.step(1), p: () => view.step(-1), ArrowRight: () => view.step(1), ArrowLeft: () => view.step(-1),
    o: () => view.toggle("outlines"), k: () => view.toggle("boxes"), l: () => view.toggle("landmarks"),
    i: () => view.toggle("invert"), s: () => view.toggle("beside"),
    "+": () => view.active.zoom(1.25), "-": () => view.active.zoom(0.8), 0: () => view.layout(), Escape: () => escape(),
    ...Object.fromEntries(Object.entries(Review.tools).map(([name, tool]) => [tool.key, () => view.setTool(name)])),
  };
  document.querySelectorAll("[data-decision]").forEach((button) => button.addEventListener("click", () => keys[button.dataset.decision]()));

  // Escape leaves the drawing, then the tool, then the large view.
  function escape() {
    if (view.active.path.length || view.active.cursor || view.tool !== "look") view.setTool(view.active.path.length ? view.tool : "look");
    else view.close();
  }

  document.addEventListener("keydown", (event) => {
    if (event.target.matches("input:not([type=range]), select") || document.querySelector("dialog[open]")) return;
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") undo(!event.shiftKey);
    else if (event.ctrlKey || event.metaKey || event.altKey) return;
    else if (event.key === "u") undo(true);
    else if (event.key === "?") find("#help").showModal();
    else if (view.isOpen && view.active.root.contains(event.target) && Review.tools[view.tool].press?.(view.active, event)) event.preventDefault();
    else if (view.isOpen && keys[event.key]) keys[event.key]();
    else return;
    event.preventDefault();
  });

  addEventListener("beforeprint", () => sheet.tiles.forEach((tile) => sheet.fill(tile)));
  addEventListener("beforeunload", (event) => !store.kept && store.past.length && event.preventDefault());
  view.setLevels({});
  progress();
  sheet.show();
  document.documentElement.dataset.ready = "true";
  Object.assign(Review, { store, sheet, view });
})();
