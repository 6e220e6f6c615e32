/** What is guarded, because it could crash the machine. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { valuesSet } from "../support/countingProxy.ts";
import { expectFailure, failures } from "../support/failures.ts";
import { lacksMount } from "../support/mounted.ts";
import { childPath, type RawQmp, walk } from "../support/rawQmp.ts";
import { file, quote, WrittenMount } from "../support/writtenMount.ts";

async function pathOf(qmp: RawQmp, name: string): Promise<string> {
	const found = (await walk(qmp)).find((property) => property.name === name);
	return childPath(found?.object ?? "", name);
}

describe.skipIf(lacksMount)("a mount that is written to", () => {
	let written: WrittenMount;

	beforeAll(async () => {
		written = await WrittenMount.start();
	});

	afterAll(() => written?.stop());

	describe("what could crash the machine", () => {
		const guards = async () => {
			const lpc = (await walk(written.qmp)).find(
				({ name }) => name === "cpu-hotplug-legacy",
			);
			return [
				"/machine/peripheral/net0/realized",
				"/machine/unattached/device[0]/realized",
				// Not there any more in QEMU 11.
				...(lpc ? [`${lpc.object}/cpu-hotplug-legacy`] : []),
				"/chardevs/compat_monitor0/connected",
			];
		};

		it("is refused, with a word on what lifts it", async () => {
			const requests = await written.proxy.during(async () => {
				for (const path of await guards())
					await expectFailure(written.mounted, {
						...{ line: `echo false > ${file(path)}`, path, class: null },
						...{ sees: "Operation not permitted", errno: "EPERM" },
						desc: /guarded.*unsafe_writes/,
					});
			});
			expect(valuesSet(requests)).toEqual([]);
			expect(await written.qmp.execute("query-status")).toMatchObject({
				running: false,
			});
		});

		it.each([
			["/machine/acpi-device", "(unset)"],
			["/machine/memory-backend", "../objects/mem0"],
			["/machine/q35/pcie.0/hotplug-handler", "(unset)"],
			["a20[0]", "/machine"],
		])(
			"%s is a link, which ln does not lead elsewhere",
			async (name, target) => {
				const path = name.startsWith("/")
					? name
					: await pathOf(written.qmp, name);
				const before = await written.sh(`readlink ${file(path)}`);
				const requests = await written.proxy.during(async () => {
					const { status, stderr } = await written.sh(
						`ln -sfn ${quote(target)} ${file(path)}`,
					);
					expect([status, stderr]).toEqual([
						1,
						expect.stringMatching(/Operation not permitted/),
					]);
				});
				expect(valuesSet(requests)).toEqual([]);
				expect(before.status).toBe(0);
				expect((await failures(written.mounted)).at(-1)).toMatchObject({
					...{ operation: "symlink", class: null, errno: "EPERM" },
					desc: expect.stringMatching(/unsafe_writes/),
				});
				expect(await written.sh(`readlink ${file(path)}`)).toEqual(before);
			},
		);

		it("is not in the hands of rm -rf either", async () => {
			const before = await walk(written.qmp);
			const requests = await written.proxy.during(async () => {
				const { status, stderr } = await written.sh('rm -rf "$M"/*');
				expect(status).toBe(1);
				expect(stderr.split("\n").length).toBeGreaterThan(3000);
				expect(stderr).not.toMatch(/(?<!Operation not permitted)\n/);
			});
			expect(valuesSet(requests)).toEqual([]);
			expect(await walk(written.qmp)).toEqual(before);
			await written.qmp.execute("cont");
			await written.qmp.execute("system_reset");
			// It has survived the reset only once it has begun again.
			await expect
				.poll(async () => (await written.sh('cat "$M/.qomfs/events"')).stdout)
				.toContain('"RESET"');
			expect(await written.qmp.execute("query-status")).toMatchObject({
				running: true,
			});
			const { stdout } = await written.sh(`cat ${file("/objects/io0/type")}`);
			expect(stdout).toBe("iothread\n");
		});
	});
});
