// Narrows the options of a long list to what is typed beside it.
// Options are taken out and put back: phones ignore `hidden` on them.

/** Let `search` narrow `select`; its groups may carry further words in data-search. */
export function narrowBy(select, search) {
  const groups = [...select.querySelectorAll("optgroup")].map((group) => ({
    group,
    words: `${group.label} ${group.dataset.search ?? ""}`.toLowerCase(),
    options: [...group.children],
  }));

  function narrow() {
    const wanted = search.value.trim().toLowerCase();
    const chosen = select.value;
    for (const { group, words, options } of groups) {
      const whole = words.includes(wanted);
      const kept = options.filter(
        (option) =>
          whole || option.value === chosen || option.textContent.toLowerCase().includes(wanted),
      );
      group.textContent = "";
      group.append(...kept);
      if (kept.length > 0) select.append(group);
      else group.remove();
    }
    select.value = chosen;
  }

  search.addEventListener("input", narrow);
  search.addEventListener("keydown", (event) => {
    if (event.key === "Enter") event.preventDefault();
  });
}
