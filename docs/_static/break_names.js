// Long names may break behind an underscore, so that tables and contents stay narrow.
addEventListener("DOMContentLoaded", () => {
  for (const name of document.querySelectorAll("code .pre, .sig-name .pre, .sig-prename .pre, #pst-page-toc-nav code, td code")) {
    if (name.childElementCount || !name.textContent.includes("_")) continue;
    const parts = name.textContent.split(/(?<=_)(?=[^_])/);
    name.replaceChildren(...parts.flatMap((part, place) => (place ? [document.createElement("wbr"), part] : [part])));
  }
});
