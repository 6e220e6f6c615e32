/** `qomfs types`: all types as a tree, one as a page, of a machine and of a snapshot. */
import { join } from "node:path";
import {
	afterAll,
	afterEach,
	beforeAll,
	beforeEach,
	describe,
	expect,
	it,
} from "vitest";
import { type KnownType, startKnownTypes } from "../support/knownTypes.ts";
import { lacksQemu, type TestMachine } from "../support/mounted.ts";
import type { RawQmp, RawReply } from "../support/rawQmp.ts";
import { Sandbox } from "../support/sandbox.ts";
import { cacheOf, throwAwaysOf } from "../support/throwAways.ts";
import { expectRefusal } from "../support/tools.ts";

describe.skipIf(lacksQemu)("qomfs types", () => {
	let vm: TestMachine;
	let qmp: RawQmp;
	let isOld: boolean;
	let types: readonly KnownType[];
	let sandbox: Sandbox;

	beforeAll(async () => {
		({ vm, qmp, isOld, types } = await startKnownTypes());
	});

	afterAll(async () => {
		qmp?.close();
		await vm?.stop();
	});

	beforeEach(async () => {
		sandbox = await Sandbox.create();
	});

	/** Whatever was asked, the machine lives, and no other QEMU does. */
	afterEach(async () => {
		await expect.poll(() => throwAwaysOf(sandbox)).toEqual([]);
		expect(await sandbox.leftovers()).toEqual([]);
		await sandbox.remove();
		expect(await qmp.execute("query-status")).toMatchObject({
			status: "prelaunch",
		});
	});

	const qomfs = (...args: string[]) =>
		sandbox.qomfs(args, {
			env: { XDG_CACHE_HOME: cacheOf(sandbox), QMP_SOCKET: vm.socket },
		});

	async function output(...args: string[]): Promise<string> {
		const { status, stdout, stderr } = await qomfs(...args);
		expect([status, stderr]).toEqual([0, ""]);
		return stdout;
	}

	/** The lines below each title of a page, on one line. */
	async function page(...args: string[]): Promise<Record<string, string>> {
		const sections = (await output("types", ...args)).trimEnd().split("\n\n");
		return Object.fromEntries(
			sections.map((section) => {
				const [title = "", ...lines] = section.split("\n");
				return [title, lines.map((line) => line.trim()).join(" ")];
			}),
		);
	}

	/** Each type that was drawn, with the one that it hangs on. */
	function drawn(text: string): (readonly [string, string | undefined])[] {
		const above: string[] = [];
		return text
			.trimEnd()
			.split("\n")
			.map((line) => {
				const [, branches = "", name = ""] =
					/^([│├└─ ]*)(.*)$/u.exec(line) ?? [];
				const depth = branches.length / 3;
				above[depth] = name;
				return [name, above[depth - 1]];
			});
	}

	function ancestryOf(name: string): readonly string[] {
		const type = types.find((each) => each.name === name);
		return type?.parent ? [...ancestryOf(type.parent), name] : [name];
	}

	const below = (base: string) =>
		types.filter(({ name }) => ancestryOf(name).includes(base));

	const snapshot = async (name: string, ...options: string[]) => {
		const file = join(sandbox.directory, name);
		await output("snapshot", ...options, "-o", file);
		return file;
	};

	it("draws all types, each below its parent", async () => {
		expect(drawn(await output("types")).sort()).toEqual(
			types.map(({ name, parent }) => [name, parent]).sort(),
		);
	});

	it("draws an abstract type with those derived from it", async () => {
		const base = "virtio-device";
		const [first, ...rest] = drawn(await output("types", base));
		expect(first).toEqual([base, undefined]);
		const derived = below(base).filter(({ name }) => name !== base);
		expect(rest.sort()).toEqual(
			derived.map(({ name, parent }) => [name, parent]).sort(),
		);
	});

	it("tells them in JSON, one a line", async () => {
		for (const [args, expected] of [
			[[], types],
			[["bus"], below("bus")],
			[["--tree", "PCIE"], below("PCIE")],
		] as const) {
			const text = await output("types", "--json", ...args);
			const told: { name: string }[] = text
				.trimEnd()
				.split("\n")
				.map((line) => JSON.parse(line));
			const byName = (a: { name: string }, b: { name: string }) =>
				a.name < b.name ? -1 : 1;
			expect(told.sort(byName)).toEqual(
				expected
					.map(({ name, parent = null, abstract = false }) => ({
						...{ name, parent, abstract },
					}))
					.sort(byName),
			);
		}
	});

	it("shows all that is known of a type", async () => {
		const type = "virtio-rng-pci";
		const shown = await page(type);
		expect(shown).toMatchObject({
			NAME: type,
			ANCESTRY: ancestryOf(type).join(" > "),
			IMPLEMENTS: expect.stringMatching(/(^|, )conventional-pci-device,/),
			OBJECTS: "/machine/peripheral/rng0",
		});
		expect(shown.PROPERTIES).toContain(
			"max-bytes <uint64> = 9223372036854775807",
		);
	});

	it("shows it in JSON", async () => {
		const type = "virtio-rng-pci";
		const document = JSON.parse(await output("types", type, "--json"));
		const interfaces = types.filter(
			({ name }) => name !== "interface" && ancestryOf(name)[0] === "interface",
		);
		const implemented: string[] = [];
		for (const { name } of interfaces) {
			const found: KnownType[] = await qmp.execute("qom-list-types", {
				implements: name,
			});
			if (found.some((each) => each.name === type)) implemented.push(name);
		}
		expect(implemented).not.toEqual([]);
		const known: RawReply[] = await qmp.execute("device-list-properties", {
			typename: type,
		});
		const properties = Object.keys(document.properties);
		expect(document).toMatchObject({
			...{ name: type, abstract: false, derived: [] },
			ancestry: ancestryOf(type),
			objects: ["/machine/peripheral/rng0"],
		});
		expect(document.implements.sort()).toEqual(implemented.sort());
		expect(properties.sort()).toEqual(known.map(({ name }) => name).sort());
		expect(document.properties["max-bytes"]).toMatchObject({ type: "uint64" });
	});

	it("shows an abstract type, and what implements an interface, with --page", async () => {
		const device = await page("--page", "pci-device");
		expect(device.NAME).toBe("pci-device (abstract)");
		expect(device.PROPERTIES).toContain("realized <bool>");
		expect(device.OBJECTS).toContain("/machine/peripheral/rng0");
		const user = await page("--page", "user-creatable");
		expect(user["IMPLEMENTED BY"]).toContain("memory-backend-ram");
		expect(user).not.toHaveProperty("PROPERTIES");
		expect(user).not.toHaveProperty("IMPLEMENTS");
	});

	it("draws a type that is not abstract with --tree", async () => {
		expect(await output("types", "--tree", "virtio-rng-pci")).toBe(
			"virtio-rng-pci\n",
		);
	});

	it("tells that a type ends QEMU", async ({ skip }) => {
		skip(!isOld, "this QEMU describes it");
		const { PROPERTIES, NAME } = await page("colo-compare");
		expect([NAME, PROPERTIES]).toEqual([
			"colo-compare",
			"(QEMU ends when it is asked)",
		]);
	});

	it.each([
		[["virtio-rng-pcy"], /no type 'virtio-rng-pcy'; there is virtio-rng-pci/],
		[["nothing-like-it-at-all"], /'qomfs types' shows what there is/],
		[["--page"], /--page shows one type/],
		[["--page", "--tree", "bus"], /cannot be used with/],
	])("refuses %j", async (args, message) => {
		expectRefusal(await qomfs("types", ...args), 2, message);
	});

	it("tells what a snapshot knows", async () => {
		const file = await snapshot("described.json", "--describe");
		expect(drawn(await output("types", "-s", file)).sort()).toEqual(
			types.map(({ name, parent }) => [name, parent]).sort(),
		);
		expect(await page("-s", file, "virtio-rng-pci")).toEqual(
			await page("virtio-rng-pci"),
		);
		const other = await page("-s", file, "e1000");
		expect(other.IMPLEMENTS).toContain("conventional-pci-device");
		expect(other.PROPERTIES).toBe(
			"(the snapshot describes the types that were in use)",
		);
	});

	it("tells what a snapshot without descriptions lacks", async () => {
		const file = await snapshot("plain.json");
		expect(drawn(await output("types", "-s", file)).sort()).toEqual(
			types.map(({ name, parent }) => [name, parent]).sort(),
		);
		expect(await page("-s", file, "virtio-rng-pci")).toEqual({
			NAME: "virtio-rng-pci",
			ANCESTRY: ancestryOf("virtio-rng-pci").join(" > "),
			IMPLEMENTS: "(a snapshot without --describe does not tell)",
			PROPERTIES: "(the snapshot was saved without --describe)",
			OBJECTS: "/machine/peripheral/rng0",
		});
		const refused = await qomfs("types", "-s", file, "nosuch-rng-pci");
		expectRefusal(refused, 2, /no type 'nosuch-rng-pci'/);
	});
});
