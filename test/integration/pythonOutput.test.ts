/** What the tools print, against what QEMU's own Python tools would. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { lacksQemu } from "../support/mounted.ts";
import { childPath, toJson } from "../support/rawQmp.ts";
import { ToolMachine } from "../support/toolMachine.ts";
import type { Tools } from "../support/tools.ts";

describe.skipIf(lacksQemu)("the tools", () => {
	let machine: ToolMachine;
	let tools: Tools;

	beforeAll(async () => {
		machine = await ToolMachine.start();
		tools = machine.tools;
	});

	afterAll(() => machine?.stop());

	describe("print what QEMU's own Python tools print", () => {
		/** The clock goes on while the machine is paused, and the tool itself holds a monitor. */
		const settled = (text: string) =>
			text.replace(/^( {2}(?:date|rtc-time|connected): ).*/gm, "$1...");

		it("qom-tree: every object with its properties, depth first", async () => {
			const expected = await pythonTree("/");
			const printed = await tools.output("qom-tree", "--unsorted");
			expect(settled(printed)).toBe(settled(expected));
			expect(printed).toContain("  data: <redacted> (string)\n");
			expect(printed).toContain("<No crash occurred>");
			expect(printed).toContain(": 18446744073709551615 (");
		});

		it("qom-tree PATH: from there on", async () => {
			const path = "/machine/peripheral/net0";
			expect(await tools.output("qom-tree", "--unsorted", path)).toBe(
				await pythonTree(path),
			);
		});

		it("qom-list: children with a slash, links with @ and slash, in QEMU's order", async () => {
			for (const args of [[], ["/machine"], ["/machine/peripheral/net0"]]) {
				const [path = "/"] = args;
				expect(await tools.output("qom-list", "--unsorted", ...args)).toBe(
					await pythonList(path),
				);
			}
		});

		it("qom-list /**: the same of every object, below its path", async () => {
			const printed = await tools.output("qom-list", "--unsorted", "/**");
			const parts = new Map(
				printed
					.trimEnd()
					.split("\n\n")
					.map((part) => {
						const end = part.indexOf(":\n");
						return [part.slice(0, end), `${part.slice(end + 2)}\n`];
					}),
			);
			const paths = await machine.objectPaths();
			expect([...parts.keys()].toSorted()).toEqual(paths.toSorted());
			for (const path of paths)
				expect(parts.get(path), path).toBe(await pythonList(path));
		});

		it.each([
			["/machine", "graphics"],
			["/machine", "type"],
			["/machine", "append"],
			["/machine/q35", "type"],
			["/machine", "q35"],
			["/machine/peripheral/net0", "parent_bus"],
			["/machine/peripheral/net0", "mac"],
			["/machine/peripheral/blk0", "bootindex"],
			["/machine/peripheral/rng0", "max-bytes"],
			["/machine/unattached/device[0]", "lbr-fmt"],
			["/machine/unattached/device[0]", "unavailable-features"],
			["/machine", "smp-cache"],
			["/objects/mem0", "prealloc-context"],
			["/objects/sec0", "data"],
		])("qom-get %s.%s: the value alone", async (path, property) => {
			const { error, return: value } = await machine.qmp.ask("qom-get", {
				path,
				property,
			});
			if (error) {
				expect(property).toBe("smp-cache"); // not yet in 7.2
				return;
			}
			const text = typeof value === "string" ? value : toJson(value);
			expect(await tools.output("qom-get", `${path}.${property}`)).toBe(
				`${text}\n`,
			);
			expect(await tools.output("qom-get", "--json", path, property)).toBe(
				`${toJson(value)}\n`,
			);
		});

		it("qom-get of a struct: a line for every member", async () => {
			const limits = await machine.get("/objects/tg0", "limits");
			const lines = Object.entries(limits).map(
				([key, value]) => `${key}: ${value}\n`,
			);
			expect(lines.length).toBeGreaterThan(10);
			expect(await tools.output("qom-get", "/objects/tg0.limits")).toBe(
				lines.join(""),
			);
		});

		it("qom-get /.PROPERTY: of the root", async () => {
			expect(await tools.output("qom-get", "/.type")).toBe("container\n");
		});

		it("qom-set PATH.PROPERTY VALUE: {}", async () => {
			expect(
				await tools.output("qom-set", "/machine.append", "console=ttyS0"),
			).toBe("{}\n");
			expect(await machine.get("/machine", "append")).toBe("console=ttyS0");
		});

		async function pythonList(path: string): Promise<string> {
			const entries = await machine.qmp.execute("qom-list", { path });
			return entries
				.map(({ name, type }: { name: string; type: string }) => {
					if (type.startsWith("child<")) return `${name}/\n`;
					return type.startsWith("link<") ? `@${name}/\n` : `${name}\n`;
				})
				.join("");
		}

		async function pythonTree(path: string): Promise<string> {
			const entries = await machine.qmp.execute("qom-list", { path });
			const children: string[] = [];
			let text = `${path}\n`;
			for (const { name, type } of entries) {
				if (type.startsWith("child<")) {
					children.push(childPath(path, name));
					continue;
				}
				const args = { path, property: name };
				const { error, return: value } = await machine.qmp.ask("qom-get", args);
				const isSecret =
					name === "data" && (await machine.get(path, "type")) === "secret";
				const shown = typeof value === "string" ? value : toJson(value);
				text += `  ${name}: ${isSecret ? "<redacted>" : error ? `<${error.desc}>` : shown} (${type})\n`;
			}
			text += "\n";
			for (const child of children) text += await pythonTree(child);
			return text;
		}
	});
});
