/** Extended attributes, with the tools that users have. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ProxiedRequest } from "../support/countingProxy.ts";
import { lacksMount } from "../support/mounted.ts";
import {
	file,
	lacksPython,
	noPython,
	WrittenMount,
} from "../support/writtenMount.ts";

describe.skipIf(lacksMount)("a mount", () => {
	let written: WrittenMount;

	beforeAll(async () => {
		written = await WrittenMount.start();
	});

	afterAll(() => written?.stop());

	describe("extended attributes", () => {
		const net0 = "/machine/peripheral/net0";
		const getfattr = async (args: string, path: string) =>
			written.sh(`getfattr --absolute-names ${args} ${file(path)}`);
		const describing = (requests: readonly ProxiedRequest[]) =>
			requests.filter(({ command }) => command.endsWith("-list-properties"));

		it("tell of a property what QEMU knows, asked once per type and on demand", async () => {
			const known: { name: string; [key: string]: unknown }[] =
				await written.qmp.execute("device-list-properties", {
					typename: "virtio-net-pci",
				});
			const described = known.find(({ name }) => name === "disable-legacy");
			expect(described).toMatchObject({
				description: expect.any(String),
				"default-value": expect.any(String),
			});
			const path = `${net0}/disable-legacy`;
			const unasked = await written.asked(
				`cd "$M${net0}"; cat disable-legacy; stat * > /dev/null; grep -s . * > /dev/null; true`,
			);
			expect(describing(unasked)).toEqual([]);
			let stdout = "";
			const requests = await written.proxy.during(async () => {
				({ stdout } = await getfattr("-d -m -", path));
				await getfattr("-d -m -", `${net0}/mac`);
				await getfattr("-d -m -", path);
			});
			expect(stdout.trim().split("\n").slice(1).sort()).toEqual(
				[
					'user.qom.type="OnOffAuto"',
					`user.qom.description="${described?.description}"`,
					`user.qom.default="${described?.["default-value"]}"`,
					`user.qom.path="${path}"`,
				].sort(),
			);
			expect(describing(requests).map(({ command }) => command)).toEqual([
				"device-list-properties",
			]);
		});

		it("tell of an object its type and path", async () => {
			const { stdout } = await getfattr("-d -m -", net0);
			expect(stdout.trim().split("\n").slice(1).sort()).toEqual([
				`user.qom.path="${net0}"`,
				'user.qom.type="virtio-net-pci"',
			]);
		});

		it("are asked for with qom-list-properties where the object is no device", async () => {
			const requests = await written.proxy.during(async () => {
				await getfattr("-d -m -", "/objects/sec0/format");
				await getfattr("-d -m -", "/objects/sec1/keyid");
			});
			expect(describing(requests)).toMatchObject([
				{ command: "qom-list-properties", args: { typename: "secret" } },
			]);
		});

		it.each([
			["user.nosuch", /No such attribute/],
			["user.qom.nosuch", /No such attribute/],
			["user.qom.error", /No such attribute/],
			["security.capability", /Operation not supported/],
		])("lack %s", async (name, message) => {
			const { status, stderr } = await getfattr(
				`-n ${name}`,
				"/objects/io0/thread-pool-max",
			);
			expect([status, stderr]).toEqual([1, expect.stringMatching(message)]);
		});

		it("do not fit into a buffer that is too small", async ({ skip }) => {
			skip(lacksPython, noPython);
			const { stdout, stderr } = await written.sh(
				`F=$M${net0}/mac python3 -c '
import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)
path = os.environ["F"].encode()
for size in 0, 1, 2, 3, 4:
    buffer = ctypes.create_string_buffer(8)
    length = libc.getxattr(path, b"user.qom.type", buffer, size)
    print(size, length, errno.errorcode.get(ctypes.get_errno()) if length < 0 else buffer.value.decode())
length = libc.listxattr(path, ctypes.create_string_buffer(4), 4)
print(length, errno.errorcode.get(ctypes.get_errno()))
try: os.getxattr(path, "user.qom.nosuch")
except OSError as e: print(errno.errorcode[e.errno])'`,
			);
			expect(stderr).toBe("");
			expect(stdout).toBe(
				"0 3 \n1 -1 ERANGE\n2 -1 ERANGE\n3 3 str\n4 3 str\n-1 ERANGE\nENODATA\n",
			);
		});
	});
});
