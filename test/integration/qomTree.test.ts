/** qom-tree against a real machine. */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CountingProxy } from "../support/countingProxy.ts";
import { lacksQemu } from "../support/mounted.ts";
import { childPath, walk } from "../support/rawQmp.ts";
import { ToolMachine } from "../support/toolMachine.ts";
import { controlsIn, expectRefusal, type Tools } from "../support/tools.ts";

describe.skipIf(lacksQemu)("the tools", () => {
	let machine: ToolMachine;
	let tools: Tools;

	beforeAll(async () => {
		machine = await ToolMachine.start();
		tools = machine.tools;
	});

	afterAll(() => machine?.stop());

	describe("qom-tree", () => {
		it("--json prints every object as a document of its own", async () => {
			const printed = await tools.output("qom-tree", "--json");
			const documents = printed
				.trimEnd()
				.split("\n")
				.map((line) => JSON.parse(line));
			expect(documents.map(({ path }) => path).toSorted()).toEqual(
				(await machine.objectPaths()).toSorted(),
			);
			const net = documents.find(
				({ path }) => path === "/machine/peripheral/net0",
			);
			expect(net.properties.mac).toEqual({
				type: "str",
				value: "52:54:00:12:34:56",
			});
			const secret = documents.find(({ path }) => path === "/objects/sec0");
			expect(secret.properties.data).toMatchObject({
				value: null,
				redacted: true,
			});
			expect(printed).toContain('"value":18446744073709551615');
		});

		it("--json stays JSON with --values", async () => {
			const finished = await tools.run(
				"qom-tree",
				...["--json", "--values", "-d", "0", "io0"],
			);
			if (finished.status === 2) expectRefusal(finished, 2, /cannot be used/);
			else expect(JSON.parse(finished.stdout).path).toBe("/objects/io0");
		});

		it("--depth goes no deeper", async () => {
			const paths = async (depth: string) =>
				(await tools.output("qom-tree", "-d", depth, "/machine"))
					.split("\n")
					.filter((line) => line.startsWith("/"));
			const all = (await machine.objectPaths()).filter((path) =>
				/^\/machine(\/|$)/.test(path),
			);
			for (const depth of [0, 1, 2])
				expect((await paths(`${depth}`)).toSorted()).toEqual(
					all.filter((path) => path.split("/").length <= depth + 2).toSorted(),
				);
		});

		it("--type shows objects of derived types, too", async () => {
			const types = (
				await machine.qmp.execute("qom-list-types", {
					implements: "virtio-device",
				})
			).map(({ name }: { name: string }) => name);
			const expected = (await walk(machine.qmp))
				.filter(({ type }) => types.includes(/^child<(.*)>$/.exec(type)?.[1]))
				.map(({ object, name }) => childPath(object, name));
			expect(expected.length).toBeGreaterThan(3);
			const printed = await tools.output("qom-tree", "-t", "virtio-device");
			expect(
				printed
					.split("\n")
					.filter((line) => line.startsWith("/"))
					.toSorted(),
			).toEqual(expected.toSorted());
		});

		it("--draw draws it, with what leads to the wanted type", async () => {
			expect(
				await tools.output("qom-tree", "--draw", "--type", "iothread"),
			).toBe("/  container\n└─ objects  container\n   └─ io0  iothread\n");
		});

		it("--values draws properties, too, but no secret", async () => {
			const printed = await tools.output("qom-tree", "--values", "sec0");
			expect(printed).toMatch(/^\/objects\/sec0 {2}secret\n├─ /);
			expect(printed).toContain("data: <redacted>\n");
		});

		it("draws on a terminal, in colours, unless told otherwise", async () => {
			const line = "qom-tree -d 1 /objects";
			const drawn = await tools.terminal(line);
			expect(drawn).toContain("└─ ");
			expect(drawn).toContain("\x1b[");
			const plain = await tools.terminal(line, { NO_COLOR: "1" });
			expect(plain).toContain("└─ ");
			expect(controlsIn(plain)).toEqual([]);
			const listed = await tools.terminal("qom-tree --list -d 0 io0");
			expect(listed).toContain("\n  type: iothread (string)\n");
			expect(controlsIn(await tools.output("qom-tree", "--draw"))).toEqual([]);
		});

		it.each([
			[["-d", "x"], /whole number/],
			[["-d", "-1"], /whole number/],
			[["--draw", "--json"], /cannot be used with/],
			[["a", "b"], /too many arguments/],
			[["--type", "iothred"], /no type 'iothred'; did you mean 'iothread'/],
		])("with %j is a wrong use", async (args, message) => {
			expectRefusal(await tools.run("qom-tree", ...args), 2, message);
		});

		it("of the whole machine costs few commands where QEMU gives values in bulk", async () => {
			const path = join(tools.directory, "proxy.sock");
			const proxy = await CountingProxy.listen(path, machine.vm.socket);
			try {
				await tools.output("qom-tree", "-s", path, "/");
				console.log(`qom-tree / took ${proxy.count()} QMP commands`);
				const hasBulk = !(await machine.qmp.ask("qom-list-get", { paths: [] }))
					.error;
				if (hasBulk) expect(proxy.count()).toBeLessThanOrEqual(12);
				else expect(proxy.count("qom-list-get")).toBe(1); // the probe
			} finally {
				await proxy.close();
			}
		});
	});
});
