/** Whoever is told to type `npm run NAME` finds a script of that name. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";

const root = join(import.meta.dirname, "..");

const files = ["docs", "src", "test", "tools"].flatMap((directory) =>
	readdirSync(join(root, directory), { recursive: true, encoding: "utf8" })
		.filter((name) => /\.(ts|md|js)$/.test(name))
		.map((name) => join(directory, name)),
);

it("every script that the project names exists", () => {
	const { scripts } = JSON.parse(
		readFileSync(join(root, "package.json"), "utf8"),
	);
	const named = ["README.md", ".ci/run", ...files].flatMap((file) =>
		[
			...readFileSync(join(root, file), "utf8").matchAll(
				/\bnpm run (?:--silent )?([a-z][\w:-]*)/g,
			),
		].map(([, name]) => `${file}: ${name}`),
	);
	expect(named.length).toBeGreaterThan(5);
	expect(
		named.filter((each) => !((each.split(": ")[1] ?? "") in scripts)),
	).toEqual([]);
});
