/** `.qomfs/types/`: what a QEMU can model, without a risk for the machine that it runs. */
import { chmod, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
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
import { CountingProxy } from "../support/countingProxy.ts";
import { type KnownType, startKnownTypes } from "../support/knownTypes.ts";
import { lacksMount, run, type TestMachine } from "../support/mounted.ts";
import { type RawQmp, type RawReply, toJson } from "../support/rawQmp.ts";
import { Sandbox } from "../support/sandbox.ts";
import { cacheOf, throwAwaysOf } from "../support/throwAways.ts";

/** QEMU 7.2 ends when it is asked for these; newer ones do not. */
const deadly = ["colo-compare", "x-remote-object"];
const notDeadly = "this QEMU describes it";

describe.skipIf(lacksMount)("the types of a mount", () => {
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

	/** Whatever was done, the machine lives, and nothing else is left. */
	afterEach(async () => {
		await unmount();
		await expect.poll(() => throwAwaysOf(sandbox)).toEqual([]);
		expect(await sandbox.leftovers()).toEqual([]);
		await sandbox.remove();
		expect(await qmp.execute("query-status")).toMatchObject({
			status: "prelaunch",
		});
	});

	const environment = (cache = cacheOf(sandbox)) => ({ XDG_CACHE_HOME: cache });

	async function mount({
		options = [] as readonly string[],
		cache = cacheOf(sandbox),
		socket = vm.socket,
	} = {}): Promise<void> {
		const args = [socket, sandbox.mountpoint, ...options];
		expect(
			await sandbox.qomfs(args, { env: environment(cache) }),
		).toMatchObject({ status: 0 });
	}

	const unmount = () =>
		run("fusermount3", ["-u", "--", sandbox.mountpoint]).then(() =>
			// Until the monitor is free again.
			sandbox.leftovers(),
		);

	/** In the directory of the types. */
	const sh = (line: string) =>
		run("bash", ["-c", `cd "$M"/.qomfs/types && ${line}`], {
			env: { ...process.env, LC_ALL: "C", M: sandbox.mountpoint },
		});

	const lines = async (line: string) => {
		const { status, stdout, stderr } = await sh(line);
		expect([status, stderr]).toEqual([0, ""]);
		return stdout.split("\n").slice(0, -1);
	};

	/** By inheritance, as QEMU tells. */
	function pathOf(type: string): string {
		const parent = types.find(({ name }) => name === type)?.parent;
		return parent === undefined ? type : `${pathOf(parent)}/${type}`;
	}

	const rng = "virtio-rng-pci";
	const maxBytes = () => `${pathOf(rng)}/properties/max-bytes`;

	const keptIn = () => join(cacheOf(sandbox), "qomfs/types");

	/** A directory for each build of which something was asked. */
	const kept = () => readdir(keptIn()).catch(() => []);

	/** Descriptions of {@link rng} as they are kept. */
	const keptFile = async () =>
		join(keptIn(), (await kept())[0] ?? "", `${rng}.json`);

	it("are those that QEMU lists, each in the directory of its parent", async () => {
		await mount();
		expect(
			(await lines("find -mindepth 1 -type d -printf '%P\\n'")).sort(),
		).toEqual(types.map(({ name }) => pathOf(name)).sort());
	});

	it("tell their parent, and whether they are abstract", async () => {
		await mount();
		const expected = types.flatMap(({ name, parent, abstract = false }) => [
			`${pathOf(name)}/abstract:${abstract}`,
			...(parent === undefined ? [] : [`${pathOf(name)}/parent:${parent}`]),
		]);
		expect((await lines("grep -r . *")).sort()).toEqual(expected.sort());
	});

	it("are read as a whole without that any is described", async () => {
		await mount();
		await lines(
			"grep -r . . > /dev/null; find . -type f | xargs stat > /dev/null",
		);
		expect(await throwAwaysOf(sandbox)).toEqual([]);
		expect(await kept()).toEqual([]);
		// Behind a proxy the machine itself would have been asked.
		await unmount();
		const socket = join(vm.directory, "proxy.sock");
		await using proxy = await CountingProxy.listen(socket, vm.socket);
		await mount({ socket });
		await lines("grep -r . . > /dev/null");
		const commands = proxy.requests.map(({ command }) => command);
		expect(commands).toContain("qom-list-types");
		expect(commands.join(" ")).not.toMatch(/-list-properties/);
		await unmount();
	});

	it("describe their properties to those who know the name of the directory", async () => {
		await mount();
		const known: RawReply[] = await qmp.execute("device-list-properties", {
			typename: rng,
		});
		const expected = known.flatMap((property) => [
			`${property.name}:type: ${property.type}`,
			...("default-value" in property
				? [`${property.name}:default: ${toJson(property["default-value"])}`]
				: []),
			...(property.description
				? [`${property.name}:description: ${property.description}`]
				: []),
		]);
		const directory = pathOf(rng);
		expect(await lines(`ls -A ${directory}`)).not.toContain("properties");
		const told = await lines(`cd ${directory}/properties && grep . *`);
		expect(told.sort()).toEqual(expected.sort());
		expect(await lines(`stat -c %F ${directory}/properties`)).toEqual([
			"directory",
		]);
		const { status, stderr } = await sh(`ls ${directory}/properties/nosuch`);
		expect([status, stderr]).toEqual([
			2,
			expect.stringMatching(/No such file/),
		]);
	});

	it("list that directory with -o introspect", async () => {
		await mount({ options: ["-o", "introspect"] });
		const names = await lines(`ls -A ${pathOf(rng)}`);
		expect(names).toEqual(["abstract", "parent", "properties"]);
		const told = await lines(`grep -rh ^type: ${pathOf("rng-backend")}`);
		expect(told.length).toBeGreaterThan(2);
	});

	it("have no properties where they are interfaces, and nobody is asked", async () => {
		await mount();
		const directory = `${pathOf("hotplug-handler")}/properties`;
		expect(await lines(`ls -A ${directory}`)).toEqual([]);
		expect(await kept()).toEqual([]);
	});

	it.for(deadly)(
		"refuse to describe %s, which ends QEMU",
		async (type, { skip }) => {
			skip(!isOld, notDeadly);
			await mount();
			const directory = `${pathOf(type)}/properties`;
			const refused = [2, expect.stringMatching(/Operation not permitted/)];
			const list = () => sh(`ls ${directory}`);
			for (let time = 0; time < 2; time++) {
				const { status, stderr } = await list();
				expect([status, stderr]).toEqual(refused);
			}
			const path = join(sandbox.mountpoint, ".qomfs/types", directory);
			expect(await sandbox.qomfs(["why", path])).toEqual({
				status: 0,
				stdout: expect.stringMatching(/: EPERM: QEMU ends when it is asked$/m),
				stderr: "",
			});
			// Another one describes the next.
			expect(await lines(`cat ${maxBytes()}`)).toContain("type: uint64");
		},
	);

	it("are refused without that the machine is asked, where its program cannot be run", async ({
		skip,
	}) => {
		skip(!isOld, notDeadly);
		const socket = join(vm.directory, "proxy.sock");
		await using proxy = await CountingProxy.listen(socket, vm.socket);
		await mount({ socket });
		const { stderr } = await sh(`ls ${pathOf("colo-compare")}/properties`);
		expect(stderr).toMatch(/Operation not permitted/);
		expect(await lines(`cat ${maxBytes()}`)).toContain("type: uint64");
		const asked = proxy.requests.filter(({ command }) =>
			command.endsWith("-list-properties"),
		);
		expect(asked.map(({ args }) => args)).toEqual([{ typename: rng }]);
		await unmount();
	});

	describe("are described by a second instance", () => {
		it("which ends by itself, and starts again when there is a question", async () => {
			await mount();
			expect(await lines(`cat ${maxBytes()}`)).toContain("type: uint64");
			expect(await throwAwaysOf(sandbox)).not.toEqual([]);
			await expect.poll(() => throwAwaysOf(sandbox)).toEqual([]);
			await lines(`ls ${pathOf("virtio-net-pci")}/properties`);
			expect(await throwAwaysOf(sandbox)).not.toEqual([]);
		});

		it("only once for each build", async () => {
			await mount();
			await lines(`cat ${maxBytes()}`);
			await unmount();
			const file = await keptFile();
			const text = await readFile(file, "utf8");
			await writeFile(file, text.replace(/"uint64"/g, '"marked"'));
			await mount();
			expect(await lines(`cat ${maxBytes()}`)).toContain("type: marked");
			expect(await throwAwaysOf(sandbox)).toEqual([]);
		});

		it.each([
			["is damaged", "{"],
			["is of another kind", '{"properties":[1]}'],
			["is empty", ""],
		])("once more if what was kept %s", async (_how, damaged) => {
			await mount();
			await lines(`cat ${maxBytes()}`);
			await unmount();
			const file = await keptFile();
			const text = await readFile(file, "utf8");
			await writeFile(file, damaged);
			await mount();
			expect(await lines(`cat ${maxBytes()}`)).toContain("type: uint64");
			await expect.poll(() => readFile(file, "utf8")).toBe(text);
		});

		it("also if nothing can be kept", async () => {
			const file = join(sandbox.directory, "file");
			await writeFile(file, "");
			await mount({ cache: file });
			expect(await lines(`cat ${maxBytes()}`)).toContain("type: uint64");
			expect(await throwAwaysOf(sandbox)).not.toEqual([]);
		});

		it("also if the cache cannot be written", async ({ skip }) => {
			skip(process.getuid?.() === 0, "root may write everywhere");
			await mkdir(cacheOf(sandbox));
			await chmod(cacheOf(sandbox), 0o555);
			await mount();
			expect(await lines(`cat ${maxBytes()}`)).toContain("type: uint64");
			expect(await readdir(cacheOf(sandbox))).toEqual([]);
		});

		it("which ends with a mount that is killed", async () => {
			const args = ["mount", "-f", vm.socket, sandbox.mountpoint];
			const mounted = await sandbox.foreground(args, environment());
			expect(await lines(`cat ${maxBytes()}`)).toContain("type: uint64");
			expect(await throwAwaysOf(sandbox)).not.toEqual([]);
			mounted.process.kill("SIGKILL");
			await mounted.ended;
			await expect.poll(() => throwAwaysOf(sandbox)).toEqual([]);
			await run("fusermount3", ["-uz", "--", sandbox.mountpoint]);
		});
	});
});
