// Long names may break behind an underscore or a dot, so that headings, tables and contents stay narrow.
addEventListener("DOMContentLoaded", () => {
  for (const place of document.querySelectorAll("h1, p code, td code, .sig-name, .sig-prename, .bd-links a, #pst-page-toc-nav a")) {
    const texts = document.createTreeWalker(place, NodeFilter.SHOW_TEXT), found = [];
    while (texts.nextNode()) found.push(texts.currentNode);
    for (const text of found) {
      const parts = text.data.split(/(?<=[a-z0-9][_.])(?=[A-Za-z])/);
      if (parts.length > 1) text.replaceWith(...parts.flatMap((part, n) => (n ? [document.createElement("wbr"), part] : [part])));
    }
  }
});
