/** Writing with `-o unsafe_writes`, to a machine that may be broken. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { valuesSet } from "../support/countingProxy.ts";
import { expectFailure, failures } from "../support/failures.ts";
import { lacksMount, runQomfs } from "../support/mounted.ts";
import { childPath, walk } from "../support/rawQmp.ts";
import { file, WrittenMount } from "../support/writtenMount.ts";

describe.skipIf(lacksMount)("a mount with -o unsafe_writes", () => {
	let written: WrittenMount;

	beforeAll(async () => {
		written = await WrittenMount.start(
			"unsafe_writes,cache_timeout=0,timeout=1",
		);
	});

	afterAll(() => written?.stop());

	const mode = async (path: string) =>
		(await written.sh(`stat -c %a ${file(path)}`)).stdout.trim();
	const peripheral = "/machine/peripheral";

	it("learns what cannot be written, for all objects of the type", async () => {
		const [first = "", second = ""] = (await walk(written.qmp))
			.filter(({ type }) => type === "child<qemu64-x86_64-cpu>")
			.map(({ object, name }) => `${childPath(object, name)}/hotplugged`);
		const modes = () => Promise.all([first, second].map(mode));
		expect(await modes()).toEqual(["644", "644"]);
		const { stderr } = await written.sh(`echo true > ${file(first)}`);
		expect(stderr).toContain("Permission denied");
		expect(await modes()).toEqual(["444", "444"]);
		expect(await mode(`${peripheral}/blk0/hotplugged`)).toBe("644");
		expect(await mode("/objects/sec0/format")).toBe("644");
		expect(await mode("/objects/sec0/data")).toBe("600");
	});

	it("unplugs a device by its 'realized'", async () => {
		for (const id of ["rng0", "net0", "blk0"]) {
			const path = file(`${peripheral}/${id}/realized`);
			expect(
				await written.sh(`cat ${path}; echo false > ${path}; cat ${path}`),
			).toEqual({ status: 0, stdout: "true\nfalse\n", stderr: "" });
		}
	});

	it.each([
		["1f.0", "1f.0", 248],
		["1e.0", "1e.0", 240],
		["17", 17, 17],
		["0x10", 16, 16],
		["10.7", "10.7", 135],
	])("gives a PCI address %j as it was meant", async (text, sent, reads) => {
		const path = file(`${peripheral}/rng0/addr`);
		const requests = await written.proxy.during(async () => {
			expect(
				await written.sh(`echo ${text} > ${path}; cat ${path}`),
			).toMatchObject({ stdout: `${reads}\n`, stderr: "" });
		});
		expect(valuesSet(requests)).toEqual([sent]);
	});

	it.each([
		["virtio-backend/max-bytes", "18446744073709551615", 2n ** 64n - 1n],
		["vectors", "0xffff_ffff", 4294967295],
	])("sets %s to %s", async (property, text, value) => {
		const path = file(`${peripheral}/rng0/${property}`);
		expect(
			(await written.sh(`echo ${text} > ${path}; cat ${path}`)).stdout,
		).toBe(`${value}\n`);
	});

	it.each<[string, string, sees: string, errno: string, desc: RegExp]>([
		[
			"rng0/addr",
			"999",
			"Numerical result out of range",
			"ERANGE",
			/^Parameter 'addr' expects a value between -1 and 255$/,
		],
		[
			"rng0/addr",
			"zz",
			"Invalid argument",
			"EINVAL",
			/doesn't take value 'zz'$/,
		],
		[
			"rng0/vectors",
			"8G",
			"Numerical result out of range",
			"ERANGE",
			/^Parameter 'vectors' expects uint32_t$/,
		],
		[
			"net0/mac",
			"zz",
			"Invalid argument",
			"EINVAL",
			/^Property '.*\.mac' doesn't take value 'zz'$/,
		],
		[
			"net0/netdev",
			"nosuch",
			"Invalid argument",
			"EINVAL",
			/can't find value 'nosuch'$/,
		],
		[
			"net0/netdev",
			"nd0",
			"Device or resource busy",
			"EBUSY",
			/ conflicts, and override is not implemented$/,
		],
		[
			"blk0/drive",
			"nosuch",
			"Invalid argument",
			"EINVAL",
			/^Cannot find device=/,
		],
	])("%s refuses %s", async (name, text, sees, errno, desc) => {
		const path = `${peripheral}/${name}`;
		await expectFailure(written.mounted, {
			...{ line: `echo ${text} > ${file(path)}` },
			...{ path, sees, errno, desc },
		});
	});

	it("blk0/logical_block_size refuses 7", async () => {
		const path = `${peripheral}/blk0/logical_block_size`;
		const { qemu } = await written.qmp.execute("query-version");
		const outOfRange = {
			...{ sees: "Numerical result out of range", errno: "ERANGE" },
			desc: /minimum: 512, maximum: 2097152\)$/,
		};
		const invalid = {
			...{ sees: "Invalid argument", errno: "EINVAL" },
			desc: / must be a power of 2 between 512 and 2097152$/,
		};
		await expectFailure(written.mounted, {
			...{ line: `echo 7 > ${file(path)}`, path },
			...(qemu.major < 11 ? outOfRange : invalid),
		});
	});

	it("refuses after a second when QEMU does not answer, and at once when it is gone", async () => {
		const path = "/objects/io0/poll-shrink";
		const { pid } = written.vm;
		const unanswered = (signal: string, isSo: string) =>
			`exec 3>> ${file(path)}; kill -${signal} ${pid}; until ${isSo}; do :; done; echo 1 >&3; r=$?; kill -CONT ${pid} 2>&-; exit $r`;
		const isStopped = `grep -q '^State:.T' /proc/${pid}/status`;
		const isLost = `grep -q reconnecting "$M/.qomfs/status"`;
		await expectFailure(written.mounted, {
			...{ line: unanswered("STOP", isStopped), sees: "Connection timed out" },
			...{ path, errno: "ETIMEDOUT", class: null },
			desc: /^qom-[\w-]+: no answer .* 1 s$/,
		});
		// No attribute is to be had then, but what needs no QEMU still answers.
		const { status, stderr } = await written.sh(unanswered("KILL", isLost));
		expect([status, stderr]).toEqual([
			1,
			expect.stringContaining(": No such device"),
		]);
		expect((await failures(written.mounted)).at(-1)).toMatchObject({
			...{ operation: "write", path, errno: "ENODEV", class: null },
		});
		const why = await runQomfs("why", written.mounted.path + path);
		expect([why.stderr, why.stdout]).toEqual([
			"",
			expect.stringContaining("write: ENODEV: "),
		]);
	});
});
