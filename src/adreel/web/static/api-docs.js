// The description of the API, shown by Swagger UI; everything comes from this server.
"use strict";

{
  const place = document.getElementById("api-docs");
  const root = document.documentElement;

  // Swagger UI has its own dark theme, switched by a class.
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
    // The badge of a validator would be loaded from another site.
    validatorUrl: null,
  });
}
