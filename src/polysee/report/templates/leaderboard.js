
  // A click sorts a table's body by the data-sort of that column: numbers from high to low first, words from A to Z.
  for (const button of all("table.sortable thead .sort")) {
    button.addEventListener("click", () => {
      const head = button.closest("th"), table = button.closest("table"), body = table.tBodies[0];
      const column = [...head.parentElement.children].indexOf(head);
      const values = new Map([...body.rows].map((row) => [row, row.cells[column].dataset.sort ?? ""]));
      const numbers = [...values.values()].every((value) => value === "" || !Number.isNaN(Number(value)));
      const before = head.getAttribute("aria-sort");
      const down = before ? before === "ascending" : numbers;
      const order = (a, b) => {
        const [x, y] = [values.get(a), values.get(b)];
        if (x === "" || y === "") return (x === "") - (y === "");
        const found = numbers ? Number(x) - Number(y) : x.localeCompare(y);
        return down ? -found : found;
      };
      for (const other of all("th[aria-sort]", table)) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      body.append(...[...body.rows].sort(order));
    });
  }

  const pickers = one("#duel-pickers");
  if (pickers) {
    const show = () => {
      const language = one("#duel-language").value, task = one("#duel-task").value;
      const winner = one('input[name="winner"]:checked')?.value ?? "";
      const cards = all("article.answer");
      for (const card of cards) {
        card.hidden = Boolean((language && card.dataset.language !== language) || (task && card.dataset.task !== task)
          || (winner && card.dataset.winner !== winner));
      }
      one("#duel-count").textContent = `${cards.filter((card) => !card.hidden).length} shown`;
    };
    pickers.hidden = false;
    pickers.addEventListener("change", show);
    show();
  }
})();
