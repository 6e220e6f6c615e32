/** The mount against an independent walk of the same machine, byte for byte. */
import { mkdtemp, open, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
	armMachine,
	defaultQemu,
	otherProgram,
	smallMachine,
} from "../../tools/virtualMachine.ts";
import {
	lacksMount,
	type Mounted,
	mountQomfs,
	startTestMachine,
	type TestMachine,
	throughHost,
} from "../support/mounted.ts";
import {
	childPath,
	RawQmp,
	type WalkedProperty,
	walk,
} from "../support/rawQmp.ts";

/** A running guest: its firmware adds objects with the oddest names, then it is paused. */
async function bootAndPause(qmp: RawQmp): Promise<void> {
	await qmp.execute("cont");
	for (let attempt = 0; attempt < 200; attempt++) {
		const properties = await walk(qmp);
		if (properties.some(({ name }) => name.includes("\\x2f"))) break;
		await new Promise((resolve) => setTimeout(resolve, 100));
	}
	await qmp.execute("stop");
}

/** A value as the file must show it, written without a look at `src/qom/codec.ts`. */
function fileText(value: unknown): string {
	if (typeof value === "string") return `${value}\n`;
	if (typeof value === "object")
		return `${JSON.stringify(value, (_key, member) =>
			typeof member === "bigint"
				? (JSON as unknown as { rawJSON(t: string): unknown }).rawJSON(
						`${member}`,
					)
				: member,
		)}\n`;
	return `${value}\n`;
}

/** rtc-time and the clock's date go on while the machine is paused. */
const changing = /\/(rtc-time|date)$/;

const x86 = { qemu: defaultQemu, args: smallMachine, isX86: true };

/** Its program is there only where somebody has installed it. */
const arm = {
	qemu: otherProgram("qemu-system-aarch64"),
	args: armMachine,
	isX86: false,
};

const cases = [
	{ ...x86, name: "a mounted machine", options: "cache_timeout=60" },
	{
		...x86,
		name: "a machine mounted without reading ahead",
		options: "cache_timeout=60,value_timeout=0",
	},
	{
		...arm,
		name: "a mounted ARM machine",
		options: "cache_timeout=60",
	},
];

describe.skipIf(lacksMount).each(cases)(
	"$name",
	({ qemu, args, isX86, options }) => {
		if (qemu === undefined) {
			it("is read and written", ({ skip }) =>
				skip("qemu-system-aarch64 is not installed"));
			return;
		}
		let vm: TestMachine;
		let qmp: RawQmp;
		let mounted: Mounted;
		let properties: WalkedProperty[];
		/** Path in the mount -> value, for what QEMU lets be read. */
		const values = new Map<string, unknown>();

		beforeAll(async () => {
			vm = await startTestMachine([...args, "-S"], qemu);
			qmp = await RawQmp.connect(vm.secondSocket);
			if (isX86) await bootAndPause(qmp);
			mounted = await mountQomfs(vm.socket, options);
			// What the mount has added for itself is left out.
			properties = (await walk(qmp)).filter(
				({ object, name }) => !/qomfs-monitor/.test(`${object}/${name}`),
			);
			for (const { object, name } of properties) {
				const reply = await qmp.ask("qom-get", {
					path: object,
					property: name,
				});
				if ("return" in reply)
					values.set(childPath(object, name), reply.return);
			}
			// Never read by qomfs: with a virtio-iommu it would end QEMU.
			if (!isX86) values.delete("/machine/iommu");
		});

		afterAll(async () => {
			await mounted?.unmount();
			qmp?.close();
			await vm?.stop();
		});

		/** Another architecture has nothing of it, and so nothing to skip. */
		const itOnX86: (title: string, test: () => void | Promise<void>) => void =
			isX86 ? it : () => {};

		const files = () =>
			properties.filter(({ type }) => !/^(child|link)</.test(type));
		const links = () =>
			properties.filter(({ type }) => type.startsWith("link<"));

		itOnX86("has the odd names and values that this test is about", () => {
			const names = properties.map(({ name }) => name);
			expect(names).toContain("bus master container[0]");
			expect(names).toContain("usb2 port #2[0]");
			expect(names.some((name) => name.startsWith("\\x2f"))).toBe(true);
			expect([...values.values()]).toContain(18446744073709551615n);
			expect(
				links().some(
					({ object, name }) => values.get(childPath(object, name)) === "",
				),
			).toBe(true);
			expect(values.size).toBeLessThan(properties.length); // unreadable ones
		});

		it("shows every object and property, and nothing else", async () => {
			const { stdout } = await mounted.sh('find "$M" -mindepth 1 -print0');
			const found = stdout
				.split("\0")
				.slice(0, -1)
				.map((path) => path.slice(mounted.path.length));
			const expected = properties.map(({ object, name }) =>
				childPath(object, name),
			);
			expect(found.sort()).toEqual(expected.sort());
		});

		it("gives every file the kind that its type says", async () => {
			const { stdout } = await mounted.sh(
				`find "$M" -mindepth 1 -printf '%y %P\\0'`,
			);
			const kinds = new Map(
				stdout
					.split("\0")
					.slice(0, -1)
					.map((line) => [`/${line.slice(2)}`, line[0]]),
			);
			for (const { object, name, type } of properties) {
				const kind = type.startsWith("child<")
					? "d"
					: type.startsWith("link<")
						? "l"
						: "f";
				expect([
					childPath(object, name),
					kinds.get(childPath(object, name)),
				]).toEqual([childPath(object, name), kind]);
			}
		});

		it("shows every value, byte for byte, and every size exactly", async () => {
			const { stdout } = await mounted.sh(
				`cd "$M"; find . -type f -printf '%P\\0%s\\0' 2>/dev/null`,
			);
			const parts = stdout.split("\0");
			let compared = 0;
			for (let index = 0; index + 1 < parts.length; index += 2) {
				const [name = "", size] = parts.slice(index, index + 2);
				const path = `/${name}`;
				if (changing.test(path)) continue;
				const content = await readFile(join(mounted.path, name), "utf8").catch(
					() => "", // it cannot be opened
				);
				const expected = values.has(path) ? fileText(values.get(path)) : "";
				expect([path, content]).toEqual([path, expected]);
				expect([path, Number(size)]).toEqual([
					path,
					Buffer.byteLength(expected),
				]);
				compared++;
			}
			const constant = files().filter(
				({ object, name }) => !changing.test(childPath(object, name)),
			);
			expect(compared).toBeGreaterThanOrEqual(
				constant.length - unreadable().length,
			);
		});

		const unreadable = () =>
			files().filter(
				({ object, name }) => !values.has(childPath(object, name)),
			);

		it("refuses to open what cannot be read, but shows it with size 0", async () => {
			for (const { object, name } of unreadable()) {
				const path = `${mounted.path}${childPath(object, name)}`;
				const { stdout } = await mounted.sh(`stat -c %s '${path}'`);
				expect(stdout).toBe("0\n");
				const { status, stderr } = await mounted.sh(`cat '${path}'`);
				expect(status).toBe(1);
				expect(stderr).toMatch(
					/Permission denied|No data available|Operation not permitted/,
				);
			}
			if (isX86) expect(unreadable().length).toBeGreaterThan(0);
		});

		it("leads every set link to its target's directory, and unset ones nowhere", async () => {
			const { stdout } = await mounted.sh(
				`find "$M" -type l -printf '%P\\0%l\\0%s\\0'`,
			);
			const parts = stdout.split("\0");
			const resolved = await mounted.sh(
				`find "$M" -type l -print0 | xargs -0 readlink -f -z --`,
			);
			const targets = resolved.stdout.split("\0");
			let set = 0;
			for (let index = 0; index + 3 < parts.length; index += 3) {
				const path = `/${parts[index]}`;
				const text = parts[index + 1] ?? "";
				const value = values.get(path);
				expect(Number(parts[index + 2])).toBe(Buffer.byteLength(text));
				expect(text.startsWith("/")).toBe(false);
				if (value === "") expect([path, text]).toEqual([path, "(unset)"]);
				else {
					set++;
					expect([path, targets[index / 3]]).toEqual([
						path,
						`${mounted.path}${value}`,
					]);
				}
			}
			expect((parts.length - 1) / 3).toBe(links().length);
			expect(set).toBeGreaterThan(100);
		});

		it("can be copied with tar: the copy equals the mount", async () => {
			const copy = await mkdtemp(join(tmpdir(), "qomfs-copy-"));
			const { stdout } = await mounted.sh(
				`tar -C "$M" --ignore-failed-read -cf - . 2>/dev/null | tar -C ${copy} -xf - &&
			 diff -r --no-dereference "$M" ${copy} 2>&1`,
			);
			const differences = stdout
				.split("\n")
				.filter((line) => line !== "")
				.filter(
					(line) =>
						!/Permission denied|No data available|iommu: Operation not permitted/.test(
							line,
						),
				)
				.filter(
					(line) =>
						!/^Only in .*: (legacy-|crash-information|iommu$)/.test(line),
				)
				.filter((line) => !/\/(rtc-time|date)\b/.test(line))
				.filter((line) => !/^[<>\\-]|^1c1/.test(line));
			expect(differences).toEqual([]);
			const count = await mounted.sh(`find ${copy} -type l | wc -l`);
			expect(Number(count.stdout)).toBe(links().length);
			await rm(copy, { recursive: true });
		});

		itOnX86("answers four sweeps at the same time alike", async () => {
			const sweeps = await Promise.all(
				Array.from({ length: 4 }, () =>
					mounted.sh(
						`cd "$M"; grep -r . . 2>/dev/null | grep -v -e '/rtc-time:' -e '/date:' | sort | sha256sum`,
					),
				),
			);
			expect(new Set(sweeps.map(({ stdout }) => stdout)).size).toBe(1);
		});

		it("keeps .qomfs out of listings, and readable by name", async () => {
			expect((await mounted.sh('ls -A "$M"')).stdout).not.toContain(".qomfs");
			expect((await mounted.sh('stat -c %a "$M/.qomfs"')).stdout).toBe("700\n");
			expect(await mounted.status()).toMatchObject({
				connection: "connected",
				source: throughHost(vm.socket),
				machine: values.get("/machine/type"),
			});
		});

		it("shows modes, links, owner and file system as a user expects", async () => {
			const stat = async (path: string) =>
				(await mounted.sh(`stat -c '%F %a %h %U' "$M/${path}"`)).stdout.trim();
			const user = (await mounted.sh("id -un")).stdout.trim();
			expect(await stat("machine")).toBe(`directory 755 1 ${user}`);
			expect(await stat("machine/type")).toBe(`regular file 444 1 ${user}`);
			expect(await stat("machine/graphics")).toBe(`regular file 644 1 ${user}`);
			expect(await stat("objects/sec0/data")).toBe(
				`regular file 600 1 ${user}`,
			);
			const mounts = await mounted.sh('findmnt -n -o FSTYPE,SOURCE "$M"');
			expect(mounts.stdout.trim()).toBe(`fuse.qomfs ${throughHost(vm.socket)}`);
			expect((await mounted.sh('df "$M" && stat -f "$M"')).status).toBe(0);
		});

		it("does not find what is not there", async () => {
			for (const path of [
				"nosuch",
				"machine/nosuch",
				"machine/type/x",
				".qomfs/nosuch",
				"$'\\xff'",
				"machine/$(printf '%0300d' 1)",
			]) {
				const { status, stderr } = await mounted.sh(`cat "$M"/${path}`);
				expect(status).toBe(1);
				expect(stderr).toMatch(
					/No such file|Not a directory|File name too long/,
				);
			}
		});

		it("serves an open file from one snapshot, a new open anew", async () => {
			const path = join(mounted.path, "objects/io0/poll-max-ns");
			const file = await open(path);
			const first = await file.read(Buffer.alloc(2), 0, 2, 0);
			await qmp.execute("qom-set", {
				path: "/objects/io0",
				property: "poll-max-ns",
				value: 1000,
			});
			const rest = await file.read(Buffer.alloc(10), 0, 10, 2);
			await file.close();
			expect(first.buffer.toString("latin1")).toBe("32");
			expect(rest.buffer.toString("latin1", 0, rest.bytesRead)).toBe("768\n");
			expect(await readFile(path, "utf8")).toBe("1000\n");
		});
	},
);
