/** qom-list, qom-get, qom-set, qom-tree, find and events against a real machine. */
import { spawn } from "node:child_process";
import { chmod, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
	afterAll,
	afterEach,
	beforeAll,
	beforeEach,
	describe,
	expect,
	it,
} from "vitest";
import { CountingProxy, valuesSet } from "../support/countingProxy.ts";
import { HostileServer, reply } from "../support/hostileServer.ts";
import {
	lacksMount,
	lacksQemu,
	mountQomfs,
	startTestMachine,
	type TestMachine,
} from "../support/mounted.ts";
import { OrdinaryUser } from "../support/ordinaryUser.ts";
import { childPath, RawQmp, toJson, walk } from "../support/rawQmp.ts";
import {
	controlsIn,
	expectNoTrace,
	expectRefusal,
	running,
	Tools,
} from "../support/tools.ts";

describe.skipIf(lacksQemu)("the tools", () => {
	let vm: TestMachine;
	let qmp: RawQmp;
	let tools: Tools;
	let hasBulk: boolean;

	beforeAll(async () => {
		vm = await startTestMachine();
		qmp = await RawQmp.connect(vm.secondSocket);
		tools = await Tools.create(vm.socket);
		hasBulk = !(await qmp.ask("qom-list-get", { paths: [] })).error;
	});

	afterAll(async () => {
		qmp?.close();
		await tools?.remove();
		await vm?.stop();
	});

	const get = (path: string, property: string) =>
		qmp.execute("qom-get", { path, property });

	const objectPaths = async () => [
		"/",
		...(await walk(qmp))
			.filter(({ type }) => type.startsWith("child<"))
			.map(({ object, name }) => childPath(object, name)),
	];

	describe("print what QEMU's own Python tools print", () => {
		/** The clock goes on while the machine is paused, and the tool itself holds a monitor. */
		const settled = (text: string) =>
			text.replace(/^( {2}(?:date|rtc-time|connected): ).*/gm, "$1...");

		it("qom-tree: every object with its properties, depth first", async () => {
			const expected = await pythonTree("/");
			const printed = await tools.output("qom-tree");
			expect(settled(printed)).toBe(settled(expected));
			expect(printed).toContain("  data: <redacted> (string)\n");
			expect(printed).toContain("<No crash occurred>");
			expect(printed).toContain(": 18446744073709551615 (");
		});

		it("qom-tree PATH: from there on", async () => {
			const path = "/machine/peripheral/net0";
			expect(await tools.output("qom-tree", path)).toBe(await pythonTree(path));
		});

		it("qom-list: children with a slash, links with @ and slash, in QEMU's order", async () => {
			for (const args of [[], ["/machine"], ["/machine/peripheral/net0"]]) {
				const [path = "/"] = args;
				expect(await tools.output("qom-list", ...args)).toBe(
					await pythonList(path),
				);
			}
		});

		it("qom-list /**: the same of every object, below its path", async () => {
			const printed = await tools.output("qom-list", "/**");
			const parts = new Map(
				printed
					.trimEnd()
					.split("\n\n")
					.map((part) => {
						const end = part.indexOf(":\n");
						return [part.slice(0, end), `${part.slice(end + 2)}\n`];
					}),
			);
			const paths = await objectPaths();
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
			const { error, return: value } = await qmp.ask("qom-get", {
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
			const limits = await get("/objects/tg0", "limits");
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
			expect(await get("/machine", "append")).toBe("console=ttyS0");
		});

		async function pythonList(path: string): Promise<string> {
			const entries = await qmp.execute("qom-list", { path });
			return entries
				.map(({ name, type }: { name: string; type: string }) => {
					if (type.startsWith("child<")) return `${name}/\n`;
					return type.startsWith("link<") ? `@${name}/\n` : `${name}\n`;
				})
				.join("");
		}

		async function pythonTree(path: string): Promise<string> {
			const entries = await qmp.execute("qom-list", { path });
			const children: string[] = [];
			let text = `${path}\n`;
			for (const { name, type } of entries) {
				if (type.startsWith("child<")) {
					children.push(childPath(path, name));
					continue;
				}
				const args = { path, property: name };
				const { error, return: value } = await qmp.ask("qom-get", args);
				const isSecret =
					name === "data" && (await get(path, "type")) === "secret";
				const shown = typeof value === "string" ? value : toJson(value);
				text += `  ${name}: ${isSecret ? "<redacted>" : error ? `<${error.desc}>` : shown} (${type})\n`;
			}
			text += "\n";
			for (const child of children) text += await pythonTree(child);
			return text;
		}
	});

	describe("take a monitor", () => {
		it("from -s, --socket or QMP_SOCKET, the command line first", async () => {
			for (const args of [
				["-s", vm.socket],
				["--socket", vm.socket],
				[`--socket=${vm.socket}`],
				["-s", `unix:${vm.socket}`],
			]) {
				tools.socket = "/nosuch.sock";
				const finished = await tools.run("qom-get", ...args, "io0.type");
				tools.socket = vm.socket;
				expect(finished.stdout).toBe("iothread\n");
			}
			expect(await tools.output("qomfs", "get", "io0.type")).toBe("iothread\n");
		});

		it.each([
			["qom-list"],
			["qom-get", "io0.type"],
			["qom-set", "io0.poll-grow", "1"],
			["qom-tree"],
			["qomfs", "find"],
			["qomfs", "events"],
		])("and say how to name one where none is: %s", async (tool, ...args) => {
			for (const socket of [undefined, ""]) {
				tools.socket = socket;
				const finished = await tools.run(tool, ...args);
				tools.socket = vm.socket;
				expectRefusal(
					finished,
					2,
					/no monitor is named.*-s SOCKET.*QMP_SOCKET/,
				);
			}
		});

		it("and leave it to the next at once", async () => {
			const line = "for n in 1 2 3 4 5; do qom-get io0.type || exit; done";
			expect(await tools.sh(line)).toEqual({
				status: 0,
				stdout: "iothread\n".repeat(5),
				stderr: "",
			});
		});
	});

	describe("qom-get", () => {
		it.each([
			["PATH PROPERTY", ["/machine/q35/pcie.0", "realized"]],
			["PATH.PROPERTY", ["/machine/q35/pcie.0.realized"]],
			["PATH/PROPERTY", ["/machine/q35/pcie.0/realized"]],
			["a partial path", ["pcie.0.realized"]],
			["a partial path and a property", ["pcie.0", "realized"]],
			[
				"a path through a link",
				["/machine/peripheral/net0/parent_bus.realized"],
			],
		])("takes %s", async (_what, args) => {
			expect(await tools.output("qom-get", ...args)).toBe("true\n");
		});

		it("takes several properties, of one object or of many", async () => {
			expect(await tools.output("qom-get", "io0", "type", "poll-max-ns")).toBe(
				"io0.type: iothread\nio0.poll-max-ns: 32768\n",
			);
			expect(
				await tools.output("qom-get", "/objects/io0.type", "net0/mac"),
			).toBe("/objects/io0.type: iothread\nnet0.mac: 52:54:00:12:34:56\n");
		});

		it("takes patterns, in which brackets are themselves", async () => {
			expect(await tools.output("qom-get", "/objects/*.poll-max-ns")).toBe(
				"/objects/io0.poll-max-ns: 32768\n",
			);
			expect(await tools.output("qom-get", "/**/rng0.max-byte?")).toBe(
				"/machine/peripheral/rng0.max-bytes: 9223372036854775807\n",
			);
			const first = await tools.output(
				"qom-get",
				"/machine/unattached/device[0].lbr?fmt",
			);
			expect(first).toMatch(
				/^(\/machine\/unattached\/device\[0\]\.lbr[-_]fmt: 18446744073709551552\n){2}$/,
			);
		});

		it("of a pattern finds what every object has", async () => {
			const printed = await tools.output("qom-get", "/**.type");
			const expected = await Promise.all(
				(await objectPaths()).map(
					async (path) => `${path}.type: ${await get(path, "type")}`,
				),
			);
			expect(printed.trimEnd().split("\n").toSorted()).toEqual(
				expected.toSorted(),
			);
		});

		it("gives JSON to jq, in which no digit is lost", async () => {
			const { stdout } = await tools.sh(
				"qom-get --json tg0.limits | jq -c '.\"iops-total-max-length\"'",
			);
			expect(stdout).toBe("1\n");
			const lines = await tools.output(
				"qom-get",
				"--json",
				"/machine/unattached/device[0].lbr-f*",
				"/machine/unattached/device[0].crash*",
			);
			expect(lines).toBe(
				'{"path":"/machine/unattached/device[0]","property":"lbr-fmt","value":18446744073709551552}\n' +
					'{"path":"/machine/unattached/device[0]","property":"crash-information","error":"No crash occurred"}\n',
			);
		});

		it("of a pattern keeps secrets to itself, as every listing does", async () => {
			for (const args of [
				["/objects/*.*"],
				["sec0.*"],
				["--json", "**.data"],
			]) {
				const { stdout } = await tools.run("qom-get", ...args);
				expect(stdout).not.toContain("hello");
			}
		});

		it("--watch shows at once what is, then what has changed", async () => {
			await tools.output("qom-set", "io0.poll-max-ns", "32768");
			const watch = tools.start(
				"qom-get",
				"io0.poll-max-ns",
				"--watch",
				"0.05",
			);
			try {
				expect(await watch.seen(1)).toEqual(["32768"]);
				for (const value of [1, 2]) {
					await setRaw("/objects/io0", "poll-max-ns", value);
					expect((await watch.seen(value + 1)).at(-1)).toBe(`${value}`);
				}
			} finally {
				await watch.stop();
				await setRaw("/objects/io0", "poll-max-ns", 32768);
			}
		});

		it("--until waits for a value, written as a user would, and shows it", async () => {
			await setRaw("/objects/mem0", "dump", false);
			const wait = tools.start("qom-get", "mem0.dump", "--until", "on");
			try {
				await sleep(1500); // long enough for a value that it should not show
				expect(wait.lines()).toEqual([]);
				await setRaw("/objects/mem0", "dump", true);
				expect(await wait.ended).toBe(0);
				expect(wait.lines()).toEqual(["true"]);
			} finally {
				await wait.stop();
			}
		});

		it("--until with --timeout ends with status 5 where it does not come", async () => {
			const finished = await tools.run(
				"qom-get",
				...["io0.poll-max-ns", "--until", "77", "--timeout", "0.3"],
			);
			expectRefusal(
				finished,
				5,
				/io0\.poll-max-ns did not become 77 within 0\.3 s/,
			);
		});
	});

	const setRaw = (path: string, property: string, value: unknown) =>
		qmp.execute("qom-set", { path, property, value });

	describe("qom-set", () => {
		it.each<[string, string, string, unknown]>([
			["/objects/io0", "poll-max-ns", "8K", 8192],
			["/objects/io0", "poll-max-ns", "0x10", 16],
			["/objects/io0", "poll-max-ns", "1_000", 1000],
			["/objects/io0", "poll-max-ns", "9223372036854775807", 2n ** 63n - 1n],
			["/objects/io0", "poll-max-ns", "32768", 32768],
			["/objects/mem0", "dump", "off", false],
			["/objects/mem0", "dump", "YES", true],
			["/objects/mem0", "policy", "preferred", "preferred"],
			["/objects/mem0", "policy", "default", "default"],
			["/objects/authz0", "rules", "[]", []],
			["/machine", "append", "two words", "two words"],
			["/machine", "append", "0x10", "0x10"],
			["/machine", "append", '{"a"', '{"a"'],
			["/machine", "append", "größer 😀", "größer 😀"],
			["/machine", "append", "", ""],
			["/machine/peripheral/blk0", "bootindex", "-1", -1],
		])(
			"%s.%s to %j, in two words and in three",
			async (path, property, text, value) => {
				for (const words of [
					[`${path}.${property}`, text],
					[path, property, text],
				]) {
					expect(await tools.output("qom-set", ...words)).toBe("{}\n");
					expect(await get(path, property)).toEqual(value);
				}
			},
		);

		it("takes structs and lists as JSON", async () => {
			await tools.output("qom-set", "tg0.limits", '{"iops-total": 100}');
			expect((await get("/objects/tg0", "limits"))["iops-total"]).toBe(100);
			await tools.output("qom-set", "tg0", "limits", '{"iops-total": 0}');
			const rules = '[{"match":"fred","policy":"allow"}]';
			await tools.output("qom-set", "authz0.rules", rules);
			expect(await get("/objects/authz0", "rules")).toMatchObject([
				{ match: "fred", policy: "allow" },
			]);
			await tools.output("qom-set", "authz0.rules", "[]");
		});

		it("takes a value that looks like an option behind --", async () => {
			await tools.output("qom-set", "--", "/machine.append", "--quiet");
			expect(await get("/machine", "append")).toBe("--quiet");
			await tools.output("qom-set", "/machine.append", "");
		});

		it.each<[string, string, string, RegExp]>([
			["/objects/io0", "poll-max-ns", "lots", /expected: integer/],
			["/objects/io0", "poll-max-ns", "", /expected: integer/],
			["/objects/io0", "poll-max-ns", "-1", /must be in range/],
			[
				"/objects/io0",
				"poll-max-ns",
				`${2n ** 64n}`,
				/does not fit into 64 bits/,
			],
			["/objects/mem0", "dump", "maybe", /expected: boolean/],
			["/objects/mem0", "policy", "nosuch", /does not accept value 'nosuch'/],
			["/objects/tg0", "limits", "5", /expected: object/],
			["/objects/tg0", "limits", '{"iops-total"', /JSON is not complete/],
			["/objects/tg0", "limits", '{"nosuch": 1}', /limits\.nosuch/],
			["/objects/authz0", "rules", '[{"policy":"allow"}]', /match' is missing/],
			[
				"/machine/peripheral/rng0",
				"max-bytes",
				"-1",
				/uint64 cannot be negative/,
			],
			["/machine/peripheral/net0", "mac", "zz", /after it was realized/],
			["/machine/peripheral/net0", "type", "x", /is not writable/],
			[
				"/machine/peripheral/net0",
				"realized",
				"false",
				/guarded.*--unsafe-writes/,
			],
			["/machine/peripheral/blk0", "iothread", "", /guarded.*--unsafe-writes/],
		])(
			"%s.%s to %j is refused and changes nothing",
			async (path, property, text, message) => {
				const before = await get(path, property);
				const finished = await tools.run("qom-set", path, property, text);
				expectRefusal(finished, 1, message);
				expect(finished.stderr).toContain(`${path}.${property}`);
				expect(await get(path, property)).toEqual(before);
			},
		);

		it("--unsafe-writes lifts the guard", async () => {
			const args = ["/machine/peripheral/net0.realized", "true"];
			expect(await tools.output("qom-set", "--unsafe-writes", ...args)).toBe(
				"{}\n",
			);
			const link = [
				"/machine/peripheral/blk0/virtio-backend.iothread",
				"(unset)",
			];
			expectRefusal(
				await tools.run("qom-set", "--unsafe-writes", ...link),
				1,
				/after it was realized/,
			);
		});

		it("takes patterns", async () => {
			const before = await get("/objects/io0", "poll-shrink");
			expect(
				await tools.output("qom-set", "/objects/io?.poll-*r*nk", "3"),
			).toBe("{}\n");
			expect(await get("/objects/io0", "poll-shrink")).toBe(3);
			await setRaw("/objects/io0", "poll-shrink", before);
		});

		it("of a pattern that nothing fits says so", async () => {
			expectRefusal(
				await tools.run("qom-set", "*nosuch*.type", "1"),
				1,
				/\*nosuch\*: no object matches/,
			);
		});

		it.each([
			[["io0.poll-max-ns"], /missing.*value/],
			[["io0"], /missing.*value/],
			[[], /missing.*property/],
			[["io0", "5"], /'io0' names no property/],
			[["io0", "poll-max-ns", "1", "2"], /unexpected argument '2'; quote/],
			[["--nosuch", "a.b", "1"], /unknown option '--nosuch'/],
		])("with the words %j is a wrong use", async (args, message) => {
			expectRefusal(await tools.run("qom-set", ...args), 2, message);
		});
	});

	describe("qom-tree", () => {
		it("--json prints every object as a document of its own", async () => {
			const printed = await tools.output("qom-tree", "--json");
			const documents = printed
				.trimEnd()
				.split("\n")
				.map((line) => JSON.parse(line));
			expect(documents.map(({ path }) => path).toSorted()).toEqual(
				(await objectPaths()).toSorted(),
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
			const all = (await objectPaths()).filter((path) =>
				/^\/machine(\/|$)/.test(path),
			);
			for (const depth of [0, 1, 2])
				expect((await paths(`${depth}`)).toSorted()).toEqual(
					all.filter((path) => path.split("/").length <= depth + 2).toSorted(),
				);
		});

		it("--type shows objects of derived types, too", async () => {
			const types = (
				await qmp.execute("qom-list-types", { implements: "virtio-device" })
			).map(({ name }: { name: string }) => name);
			const expected = (await walk(qmp))
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
			expect(printed).toMatch(/^\/objects\/sec0 {2}secret\n├─ type: secret\n/);
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
			const proxy = await CountingProxy.listen(path, vm.socket);
			try {
				await tools.output("qom-tree", "-s", path, "/");
				console.log(`qom-tree / took ${proxy.count()} QMP commands`);
				if (hasBulk) expect(proxy.count()).toBeLessThanOrEqual(12);
				else expect(proxy.count("qom-list-get")).toBe(1); // the probe
			} finally {
				await proxy.close();
			}
		});
	});

	describe("find", () => {
		const find = async (...words: string[]) =>
			(await tools.output("qomfs", "find", ...words))
				.split("\n")
				.slice(0, -1)
				.toSorted();

		it("without a test finds every object", async () => {
			expect(await find()).toEqual((await objectPaths()).toSorted());
		});

		it.each([
			[["-type", "iothread"], ["/objects/io0"]],
			[["-type", "*-rng-pci"], ["/machine/peripheral/rng0"]],
			[["-name", "net?"], ["/machine/peripheral/net0"]],
			[["-name", "device[0]"], ["/machine/unattached/device[0]"]],
			[["-prop", "poll-max-ns"], ["/objects/io0"]],
			[["/objects", "-prop", "poll-*=32768"], ["/objects/io0"]],
			[
				["-prop", "mac=52:*"],
				["/machine/peripheral/net0", "/machine/peripheral/net0/virtio-backend"],
			],
			[
				["-link-to", "io0"],
				["/machine/peripheral/blk0", "/machine/peripheral/blk0/virtio-backend"],
			],
			[
				["net0", "rng0", "-maxdepth", "0"],
				["/machine/peripheral/net0", "/machine/peripheral/rng0"],
			],
			[["io0"], ["/objects/io0"]],
			[
				[
					"/machine",
					"-type",
					"virtio-device",
					"-prop",
					"serial=SER1",
					"-name",
					"virtio-*",
				],
				["/machine/peripheral/blk0/virtio-backend"],
			],
			[["-name", "nosuch*"], []],
			[["-type", "iothread", "-name", "nosuch"], []],
		])("%j finds %j", async (words, expected) => {
			expect(await find(...words)).toEqual(expected);
		});

		it("-type takes derived types and interfaces", async () => {
			expect(await find("-type", "device")).toContain(
				"/machine/peripheral/net0",
			);
			expect(await find("-type", "user-creatable")).toContain("/objects/io0");
		});

		it("-print0 ends each path with a NUL, for xargs -0", async () => {
			const { stdout } = await tools.sh(
				"qomfs find xhci -name 'usb2 port*' -print0 | xargs -0 -n1 qom-list | grep -c type",
			);
			expect(stdout).toBe("4\n");
		});

		it.each([
			[["-nmae", "x"], 2, /unknown test '-nmae'/],
			[["-name"], 2, /-name needs a word/],
			[["-maxdepth", "x"], 2, /-maxdepth x: not a whole number/],
			[["-type", "iothred"], 2, /did you mean 'iothread'/],
			[["nosuch"], 1, /nosuch.*not found/],
			[["-link-to", "nosuch"], 1, /nosuch.*not found/],
			[["-link-to", "virtio-backend"], 1, /ambiguous/],
			[
				["virtio-backend"],
				1,
				/ambiguous; there is \/machine\/peripheral\/\w+\/virtio-backend, /,
			],
		])("%j is refused", async (words, status, message) => {
			expectRefusal(
				await tools.run("qomfs", "find", ...words),
				status,
				message,
			);
		});
	});

	describe("name the nearest", () => {
		it.each([
			[["qom-get", "io0.pol-max-ns"], /there is poll-max-ns\n/],
			[["qom-get", "/objects/io1.type"], /there is \/objects\/io0\n/],
			[["qom-get", "ne0.mac"], /there is \/machine\/peripheral\/net0\n/],
			[["qom-get", "ne0", "mac"], /there is \/machine\/peripheral\/net0\n/],
			[
				["qom-get", "virtio-backend", "type"],
				/is ambiguous|there is \/machine/,
			],
			[["qom-set", "io0.pol-max-ns", "1"], /there is poll-max-ns\n/],
			[["qom-list", "/machin/peripheral"], /there is \/machine\n/],
			[["qom-tree", "net1"], /there is \/machine\/peripheral\/net0\n/],
			[
				["qom-list", "virtio-backend"],
				/ambiguous; there is (\/\S+, ){3}\.\.\.\n/,
			],
			[["qom-get", "nosuchthing.at-all"], /Device 'nosuchthing' not found\n/],
		])("of %j", async ([tool = "", ...args], message) => {
			expectRefusal(await tools.run(tool, ...args), 1, message);
		});
	});

	describe("with their output", () => {
		it.each([
			"qom-tree",
			"qom-list /machine",
			"qomfs find",
			"qom-get '/**.*'",
			"qom-tree --json",
		])("piped into head end silently: %s", async (line) => {
			const { stdout, stderr } = await tools.sh(
				`${line} | head -n 1; echo "\${PIPESTATUS[*]}"`,
			);
			expect(stderr).toBe("");
			expect(stdout).toMatch(/^[^\n]+\n0 0\n$/);
		});

		it.each([
			"qom-tree",
			"qom-list",
			"qomfs find",
			"qom-get io0.type",
			"qomfs completion bash",
			"qom-get --help",
		])("on a full disk say so: %s", async (line) => {
			expectRefusal(
				await tools.sh(`${line} > /dev/full`),
				1,
				/cannot write: .*no space left/,
			);
		});

		it("or standard input closed work, and never show a stack trace", async () => {
			const { status, stdout, stderr } = await tools.sh(
				"qom-get io0.type <&-; qom-list >&-; qom-tree >&- 2>&-; qom-get io0.nosuch 2>&-; qom-get io0.nosuch 2>/dev/full; qom-get io0.type <&- 2>&-",
			);
			expect([status, stdout, stderr]).toEqual([0, "iothread\niothread\n", ""]);
		});
	});

	describe("refuse what is wrong in one line", () => {
		it.each<[string[], number, RegExp]>([
			[["qom-list", "--nosuch"], 2, /unknown option '--nosuch'/],
			[["qom-get"], 2, /missing.*property/],
			[["qom-get", "io0"], 2, /'io0' names no property; write PATH\.PROPERTY/],
			[["qom-get", "io0.type", "--timeout", "x"], 2, /number of seconds/],
			[["qom-get", "io0.type", "--timeout", "0"], 2, /number of seconds/],
			[["qomfs", "completion", "fish"], 2, /must be bash or zsh/],
			[["qomfs", "completion", "constructor"], 2, /must be bash or zsh/],
			[["qomfs", "events", "--count", "0"], 2, /--count must be more than 0/],
			[
				["qom-list", "-s", "/nosuch/vm.sock"],
				3,
				/\/nosuch\/vm\.sock: no such socket; is QEMU running/,
			],
			[["qom-list", "-s", "/dev/null"], 3, /not a socket/],
			[["qom-list", "-s", "127.0.0.1:1"], 3, /connection refused/],
			[["qom-list", "-s", "a:b:c"], 2, /not a monitor's address/],
			[["qom-list", "\x1b[31mred\nline"], 1, /\?\[31mred line: /],
			[["qom-get", "\x1b[31mred.x\n"], 1, /\?\[31mred/],
			[["qom-list", "x".repeat(100_000)], 1, /not found/],
		])("%j", async ([tool = "", ...args], status, message) => {
			const finished = await tools.run(tool, ...args);
			expectRefusal(finished, status, message);
			expect(controlsIn(finished.stderr)).toEqual([]);
		});

		it.each([["nosuchcommand"], ["lst"], ["lst", "/x", "/y"]])(
			"an unknown command, and name it: %s",
			async (...args) => {
				const finished = await tools.run("qomfs", ...args);
				expectRefusal(finished, 2, new RegExp(args[0] ?? ""));
			},
		);

		it("a monitor that somebody holds, and name who", async () => {
			const holder = await RawQmp.connect(vm.socket);
			try {
				const finished = await tools.run("qom-list");
				const isSeen = !process.env.QOMFS_QEMU_ROOT; // paths differ in a chroot
				expectRefusal(
					finished,
					isSeen ? 4 : finished.status,
					isSeen
						? new RegExp(`busy: pid ${process.pid} .*; end that client`)
						: /monitor/,
				);
			} finally {
				holder.close();
			}
		});

		it("a socket without permission, and say whose it is and what to do", async (context) => {
			const user = await OrdinaryUser.create();
			if (typeof user === "string") return context.skip(user);
			try {
				await chmod(vm.directory, 0o755);
				await chmod(vm.socket, 0o000);
				const finished = await user.qomfs(["list", "-s", vm.socket]);
				expectRefusal(
					finished,
					3,
					/permission denied.*user \w+ and group \w+: .*(run as|chmod)/,
				);
			} finally {
				await chmod(vm.socket, 0o755);
				await user.remove();
			}
		});
	});

	describe("events", () => {
		afterEach(async () => {
			await proxy.close();
			await qmp.execute("stop");
		});

		/** As many RESUME and STOP each. */
		async function cause(times: number): Promise<void> {
			for (let n = 0; n < times; n++) {
				await qmp.execute("cont");
				await qmp.execute("stop");
			}
		}

		let proxy: CountingProxy;

		beforeEach(async () => {
			const path = join(tools.directory, "events.sock");
			proxy = await CountingProxy.listen(path, vm.socket);
		});

		/** Events come to whoever has negotiated. */
		async function follow(...args: string[]) {
			const path = join(tools.directory, "events.sock");
			const tool = tools.start("qomfs", "events", "-s", path, ...args);
			await expect
				.poll(() => proxy.count("qmp_capabilities"), { timeout: 30_000 })
				.toBe(1);
			await sleep(1000); // for the answer, of which nobody tells
			return tool;
		}

		it("are followed as they come, one JSON object a line", async () => {
			const following = await follow();
			try {
				await cause(1);
				const [resume = "", stop = ""] = await following.seen(2);
				expect(JSON.parse(resume)).toMatchObject({
					event: "RESUME",
					timestamp: {},
				});
				expect(JSON.parse(stop)).toMatchObject({ event: "STOP" });
				expect(following.process.exitCode).toBe(null);
			} finally {
				await following.stop();
			}
		});

		it("end after --count, of those whose name fits", async () => {
			const following = await follow("--count", "2", "res*", "NOSUCH");
			await cause(3);
			expect(await following.ended).toBe(0);
			expect(following.lines().map((line) => JSON.parse(line).event)).toEqual([
				"RESUME",
				"RESUME",
			]);
		});

		it("end after --timeout: with success, unless a --count was not reached", async () => {
			expect(await tools.run("qomfs", "events", "--timeout", "0.2")).toEqual({
				status: 0,
				stdout: "",
				stderr: "",
			});
			expectRefusal(
				await tools.run("qomfs", "events", "--timeout", "0.2", "--count", "1"),
				5,
				/received 0 of 1 events within 0\.2 s/,
			);
		});

		it.skipIf(lacksMount)(
			"of a mount are in .qomfs/events, which tail -f follows",
			async () => {
				const mounted = await mountQomfs(vm.socket);
				const tail = running(
					spawn(
						"tail",
						["-n", "+1", "-f", join(mounted.path, ".qomfs/events")],
						{
							stdio: ["ignore", "pipe", "pipe"],
						},
					),
				);
				try {
					await cause(1);
					await tail.seen(2);
					await cause(1);
					const lines = await tail.seen(4);
					expect(lines.map((line) => JSON.parse(line).event)).toEqual([
						...["RESUME", "STOP", "RESUME", "STOP"],
					]);
					const { stdout } = await mounted.sh(
						'cat "$M/.qomfs/events"; wc -c < "$M/.qomfs/events"',
					);
					expect(stdout).toBe(
						`${lines.join("\n")}\n${Buffer.byteLength(lines.join("\n")) + 1}\n`,
					);
				} finally {
					await tail.stop();
					await mounted.unmount();
				}
			},
		);
	});

	describe("with a QEMU that stops answering", () => {
		afterEach(() => {
			process.kill(vm.pid, "SIGCONT");
		});

		it("end with status 5 within the timeout, in the midst of their work", async () => {
			const wait = tools.start(
				"qom-get",
				...["io0.poll-max-ns", "--watch", "0.1", "--timeout", "1"],
			);
			await wait.seen(1);
			process.kill(vm.pid, "SIGSTOP");
			const startMs = performance.now();
			expect(await wait.ended).toBe(5);
			expect(performance.now() - startMs).toBeLessThan(8000);
			expect(wait.stderr()).toMatch(
				/^qom-get: [^\n]*no answer from QEMU within 1 s[^\n]*\n$/,
			);
		});

		it("end with status 5 where it never greets, and blame no other client", async () => {
			process.kill(vm.pid, "SIGSTOP");
			const finished = await tools.run("qom-get", "io0.type", "--timeout", "1");
			expectRefusal(finished, 5, /answer|hang|stopped/);
			expect(finished.stderr).not.toMatch(/another client/);
		});
	});

	it("tell of QEMU's end while they follow events", async () => {
		const following = tools.start("qomfs", "events");
		const isServed = () =>
			get("/chardevs/compat_monitor0", "connected") as Promise<boolean>;
		await expect.poll(isServed, { timeout: 30_000 }).toBe(true);
		await sleep(1000); // for the negotiation
		qmp.ask("quit").catch(() => {});
		expect(await following.ended).toBe(3);
		expect(JSON.parse(following.lines().at(-1) ?? "")).toMatchObject({
			event: "SHUTDOWN",
		});
		expect(following.stderr()).toMatch(
			/^qomfs: [^\n]*closed the connection[^\n]*\n$/,
		);
		expectNoTrace(following.stderr());
	});
});

describe("with a machine that plays tricks", () => {
	const esc = "\x1b]0;owned\x07\x1b[31m\u009b1m\u202e\u2066";
	let tools: Tools;
	let hostile: HostileServer;

	beforeEach(async () => {
		tools = await Tools.create();
		const directory = join(tools.directory, "hostile");
		await mkdir(directory);
		tools.socket = join(directory, "vm.sock");
		hostile = await HostileServer.listen(tools.socket);
		hostile.tree = {
			"/": [
				{ name: "type", type: "string", value: "container" },
				{ name: `v${esc}`, type: `t${esc}`, value: `x${esc}\nsecond` },
				{ name: "value", type: "string", value: `x${esc}\nsecond` },
				{ name: `c${esc}`, type: `child<c${esc}>` },
				{ name: `l${esc}`, type: `link<l${esc}>`, value: `/c${esc}` },
			],
			[`/c${esc}`]: [{ name: "type", type: "string", value: `c${esc}` }],
		};
	});

	afterEach(async () => {
		await hostile.close();
		await tools.remove();
	});

	it.each([
		"qom-list",
		"qom-list /c*",
		"qom-list '/**'",
		"qom-list -l",
		"qom-tree --list",
		"qom-tree --draw",
		"qom-tree --values",
		"qom-get '/.*'",
		"qom-get / value type",
		"qomfs find",
	])(
		"show no control characters of values or names on a terminal: %s",
		async (line) => {
			const shown = await tools.terminal(line, { NO_COLOR: "1" });
			expect(shown).toMatch(/type|container|\//);
			expect(controlsIn(shown)).toEqual([]);
		},
	);

	it("qom-set is corrected once where QEMU asks for another kind", async () => {
		hostile.tree = { "/": [{ name: "addr", type: "str", value: "8" }] };
		hostile.trick = ({ execute, arguments: args, id }) => {
			if (execute !== "qom-set" || typeof args.value === "number")
				return "honest";
			const desc = "Invalid parameter type for 'addr', expected: integer";
			return `${toJson({ id, error: { class: "GenericError", desc } })}\r\n`;
		};
		expect(await tools.output("qom-set", "/", "addr", "0x10")).toBe("{}\n");
		const values = () =>
			hostile.requests
				.filter(({ execute }) => execute === "qom-set")
				.map(({ arguments: args }) => args.value);
		expect(values()).toEqual(["0x10", 16]);
		expectRefusal(
			await tools.run("qom-set", "/", "addr", "1f.0"),
			1,
			/expected: integer/,
		);
		expect(values()).toEqual(["0x10", 16, "1f.0"]);
	});

	it("qom-set passes PCI addresses as text, and numbers as numbers", async () => {
		hostile.tree = { "/": [{ name: "addr", type: "int32", value: 16 }] };
		const path = join(tools.directory, "proxy.sock");
		const proxy = await CountingProxy.listen(path, tools.socket ?? "");
		for (const text of ["1f.0", "1e", "17", "0x1e", "-1"])
			await tools.output("qom-set", "-s", path, "/", "addr", text);
		expect(valuesSet(proxy.requests)).toEqual(["1f.0", "1e", 17, 30, -1]);
		await proxy.close();
	});

	it("values of many megabytes are printed wholly", async () => {
		hostile.tree = {
			"/": [{ name: "huge", type: "string", value: "x".repeat(5_000_000) }],
		};
		const { stdout } = await tools.sh("qom-get / huge | wc -c");
		expect(stdout.trim()).toBe("5000001");
	});

	it.each([
		["nothing", () => undefined, 5, /no answer from QEMU within 1 s/],
		["what is no list", (id: number) => reply(id, 5), 3, /unknown form/],
		["what is not QMP", () => "{}{}\r\n", 3, /not QMP/],
	])(
		"one that answers %s is told of in one line",
		async (_what, answer, status, message) => {
			hostile.trick = ({ execute, id }) =>
				execute === "qom-list" ? answer(id) : "honest";
			expectRefusal(
				await tools.run("qom-list", "--timeout", "1"),
				status,
				message,
			);
		},
	);
});
