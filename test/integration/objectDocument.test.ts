/** `.json` of an object. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseJson } from "../../src/json.ts";
import { lacksMount } from "../support/mounted.ts";
import { file, WrittenMount } from "../support/writtenMount.ts";

describe.skipIf(lacksMount)("a mount", () => {
	let written: WrittenMount;

	beforeAll(async () => {
		written = await WrittenMount.start();
	});

	afterAll(() => written?.stop());

	it(".values.json has the names and values of .json, and no secret", async () => {
		const read = async (name: string) =>
			JSON.parse((await written.sh(`cat "$M"/objects/sec0/${name}`)).stdout);
		const { properties } = await read(".json");
		const values: Record<string, unknown> = {};
		for (const [name, { value, redacted }] of Object.entries<{
			value?: unknown;
			redacted?: true;
		}>(properties))
			if (value !== undefined && !redacted) values[name] = value;
		expect(await read(".values.json")).toEqual(values);
		expect(values).toMatchObject({ type: "secret", format: "raw" });
		expect(values).not.toHaveProperty("data");
	});

	describe(".json", () => {
		it.each([
			"/objects/io0",
			"/objects/tg0",
			"/objects/sec0",
			"/machine/peripheral/rng0",
			"/machine/unattached/device[0]",
			"/chardevs",
		])("of %s equals an independent document", async (object) => {
			const properties: Record<string, unknown> = {};
			for (const { name, type } of await written.qmp.execute("qom-list", {
				path: object,
			})) {
				const { return: value, error } = await written.qmp.ask("qom-get", {
					...{ path: object, property: name },
				});
				properties[name] =
					object === "/objects/sec0" && name === "data"
						? { type, value: null, redacted: true }
						: error
							? { type, error: error.desc, refusal: expect.any(String) }
							: { type, value };
			}
			const type =
				object === "/chardevs"
					? "container"
					: await written.get(object, "type");
			const { stdout, stderr } = await written.sh(
				`cat ${file(`${object}/.json`)}`,
			);
			expect(stderr).toBe("");
			expect(stdout.indexOf("\n")).toBe(stdout.length - 1);
			expect(parseJson(stdout)).toEqual({ path: object, type, properties });
		});

		it("is not listed, and not written", async () => {
			const { stdout } = await written.sh('ls -A "$M/objects/io0"');
			expect(stdout).not.toContain(".json");
			const { stderr } = await written.sh('echo 1 >> "$M/objects/io0/.json"');
			expect(stderr).toContain("Permission denied");
		});
	});
});
