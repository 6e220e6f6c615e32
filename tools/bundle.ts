/**
 * Makes one file of the command line, `dist/cli/main.cjs`: resolving and linking fifty ES
 * modules takes Node longer than most commands run. It holds the packages that it uses, whose
 * licences go beside it.
 */
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { rolldown } from "rolldown";

const project = join(import.meta.dirname, "..");
const directory = join(project, "dist/cli");

const bundle = await rolldown({
	input: join(project, "src/cli/main.ts"),
	platform: "node",
	// The binding is native, debugging is seldom wanted, and what draws is larger than all the rest.
	external: ["fuse-native", "koffi", "debug", "@viz-js/viz"],
});
const { output } = await bundle.write({
	file: join(directory, "main.cjs"),
	format: "cjs",
	codeSplitting: false,
});
writeFileSync(join(directory, "LICENSES"), licences(output[0].moduleIds));

/** The script of the page, which a browser runs, and its style. */
const pageDirectory = join(project, "dist/page/client");
const page = await rolldown({
	input: join(project, "src/page/client/main.tsx"),
	platform: "browser",
	transform: {
		define: { "process.env.NODE_ENV": '"production"' },
	},
});
const { output: pageOutput } = await page.write({
	file: join(pageDirectory, "page.js"),
	format: "iife",
	minify: true,
	codeSplitting: false,
});
if (/<\/script|<!--/i.test(pageOutput[0].code))
	throw new Error("the script of the page would end its own element");
writeFileSync(
	join(pageDirectory, "page.css"),
	readFileSync(join(project, "src/page/client/page.css"), "utf8").replace(
		/\s+/g,
		" ",
	),
);
writeFileSync(
	join(pageDirectory, "LICENSES"),
	licences(pageOutput[0].moduleIds),
);

/** Of the packages that modules come from. */
function licences(modules: readonly string[]): string {
	const packages = new Set(
		modules.flatMap(
			(id) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id)?.[0] ?? [],
		),
	);
	return [...packages]
		.sort()
		.map((path) => {
			const { name, version, license } = JSON.parse(
				readFileSync(join(path, "package.json"), "utf8"),
			);
			const [file] = globSync("{licen[cs]e,LICEN[CS]E}*", { cwd: path });
			const text = file
				? readFileSync(join(path, file), "utf8").trim()
				: license;
			return `${name} ${version}\n\n${text}\n`;
		})
		.join(`\n${"-".repeat(72)}\n\n`);
}
