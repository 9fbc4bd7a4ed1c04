// Texts of scripts in the language of the page: phrase, phrases and locale, as in adreel.language.
(() => {
  "use strict";

  const code = document.documentElement.lang;
  const block = document.getElementById("phrases");
  const table = block ? JSON.parse(block.textContent) : {};
  const pseudo = code === "xx";

  const filled = (message, values) => message.replace(/%(?:\((\w+)\)s|%)/g, (all, name) => (name ? values[name] : "%"));
  const shown = (message) => (pseudo ? `⟦${message}⟧` : message);

  // The message in the language of the page, with its values in place of %(name)s.
  window.phrase = (message, values = {}) => filled(shown(table[message] ?? message), values);

  // The form of the message for a number.
  window.phrases = (one, many, number, values = {}) => {
    const forms = table[one];
    const place = new Intl.PluralRules(locale()).select(number) === "one" ? 0 : 1;
    return filled(shown((Array.isArray(forms) && forms[place]) || [one, many][place]), values);
  };

  // The language of numbers and days, for Intl.
  window.locale = () => (pseudo ? "en" : code);
})();
