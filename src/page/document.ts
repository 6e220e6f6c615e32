/** The page as one HTML file. It loads nothing from anywhere. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { embeddable } from "./collect.ts";
import type { PageData } from "./data.ts";

/** What the page is made of beside its data. */
export interface PageParts {
	readonly script: string;
	readonly style: string;
}

/** Beside this file, or beside the one file of the command line. */
export async function pageParts(): Promise<PageParts> {
	const directory = join(
		dirname(fileURLToPath(import.meta.url)),
		"../page/client",
	);
	const [script, style] = await Promise.all(
		["page.js", "page.css"].map((name) =>
			readFile(join(directory, name), "utf8"),
		),
	);
	return { script: script ?? "", style: style ?? "" };
}

/** Nothing but what stands in the page itself, and its own server if it has one. */
export function contentSecurityPolicy({ script, style }: PageParts): string {
	return [
		"default-src 'none'",
		`script-src '${hashOf(script)}'`,
		`style-src '${hashOf(style)}'`,
		"connect-src 'self'",
		"img-src data:",
		"base-uri 'none'",
		"form-action 'none'",
	].join("; ");
}

function hashOf(text: string): string {
	return `sha256-${createHash("sha256").update(text).digest("base64")}`;
}

/** The text of the file, piece by piece. */
export function* pageDocument(
	parts: PageParts,
	data: PageData,
): Generator<string> {
	const { machine, qemu, source } = data.machine;
	const title = [machine, qemu && `QEMU ${qemu}`, source]
		.filter((part) => part)
		.join(", ");
	yield `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${escaped(contentSecurityPolicy(parts))}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>${escaped(title)}</title>
<link rel="icon" href="data:,">
<style>${parts.style}</style>
</head>
<body>
<div id="page"><noscript>This page needs JavaScript.</noscript></div>
<script type="application/json" id="data">`;
	yield embeddable(data);
	yield `</script>
<script>${parts.script}</script>
</body>
</html>
`;
}

/** Text of an element or an attribute, without what would change how the rest is read. */
function escaped(text: string): string {
	return text
		.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, "?")
		.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
