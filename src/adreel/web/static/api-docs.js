// The description of the API, shown by Swagger UI; everything comes from this server.
"use strict";

{
  const place = document.getElementById("api-docs");
  const root = document.documentElement;

  // Swagger UI has a dark look of its own, which a class switches on.
  const follow = () => root.classList.toggle("dark-mode", root.dataset.bsTheme === "dark");
  new MutationObserver(follow).observe(root, { attributeFilter: ["data-bs-theme"] });
  follow();

  window.SwaggerUIBundle({
    url: place.dataset.description,
    domNode: place,
    docExpansion: "none",
    defaultModelsExpandDepth: 0,
    displayRequestDuration: true,
    filter: true,
    // Its badge would be another site's.
    validatorUrl: null,
  });
}
