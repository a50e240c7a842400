// Unpacks the browser into the folder that TMPDIR names, with the libraries that a bare Linux lacks.
import chromium, { inflate } from "@sparticuz/chromium";

const libraries = new URL("node_modules/@sparticuz/chromium/bin/al2023.tar.br", import.meta.url);
await Promise.all([chromium.executablePath(), inflate(libraries.pathname)]);
