/** Links of the object model, led elsewhere with ln. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { valuesSet } from "../support/countingProxy.ts";
import { failures } from "../support/failures.ts";
import { lacksMount } from "../support/mounted.ts";
import { file, WrittenMount } from "../support/writtenMount.ts";

describe.skipIf(lacksMount)("a link in a mount with -o unsafe_writes", () => {
	let written: WrittenMount;

	beforeAll(async () => {
		written = await WrittenMount.start(
			"unsafe_writes,cache_timeout=0,timeout=1",
		);
	});

	afterAll(() => written?.stop());

	const peripheral = "/machine/peripheral";

	beforeAll(async () => {
		const realized = file(`${peripheral}/rng0/realized`);
		await written.asked(`echo false > ${realized}`); // a link of it can be changed then
	});

	const rng = `${peripheral}/rng0/rng`;

	it.each([
		["a relative target", "../../../objects/r1", "/objects/r1"],
		["a target in the mount", "$M/objects/r0", "/objects/r0"],
		["a QOM path", "/objects/r1", "/objects/r1"],
		["the unset target", "(unset)", ""],
		["a round-about target", "../rng0/./../../../objects/r0", "/objects/r0"],
	])("leads a link to %s", async (_what, target, value) => {
		const { status, stderr } = await written.sh(
			`ln -sfn "${target}" ${file(rng)}`,
		);
		expect([status, stderr]).toEqual([0, ""]);
		expect(
			await written.qmp.execute("qom-get", {
				...{ path: `${peripheral}/rng0`, property: "rng" },
			}),
		).toBe(value);
		expect((await written.sh(`readlink ${file(rng)}`)).stdout).toBe(
			value === "" ? "(unset)\n" : `../../..${value}\n`,
		);
		const { stdout } = await written.sh(`ls -A "$M${peripheral}/rng0"`);
		expect(stdout).not.toMatch(/^Cu/m);
	});

	it.each([
		[
			"no such object",
			"/objects/nosuch",
			/^Device '\/objects\/nosuch' not found$/,
		],
		["an object of another class", "/objects/io0", /expected: rng-backend$/],
		["a place above the tree", "../../../../x", /leads out of the tree/],
	])("leads no link to %s", async (_what, target, desc) => {
		const { status, stderr } = await written.sh(
			`ln -sfn ${target} ${file(rng)}`,
		);
		expect([status, stderr]).toEqual([
			1,
			expect.stringMatching(/Invalid argument/),
		]);
		const recorded = (await failures(written.mounted)).findLast(
			({ path }) => path === rng,
		);
		expect(recorded).toMatchObject({
			...{ operation: "rename", errno: "EINVAL" },
			desc: expect.stringMatching(desc),
		});
		expect((await written.sh(`readlink ${file(rng)}`)).stdout).toBe(
			"../../../objects/r0\n",
		);
		const { stdout } = await written.sh(`ls -A "$M${peripheral}/rng0"`);
		expect(stdout).not.toMatch(/^Cu/m);
	});

	it.each([
		["rm -f $L"],
		["ln -s /objects/r1 $M/objects/new"],
		["ln -sfn /objects/r1 $M/objects/io0/poll-grow"],
		["ln -sfn /objects/r1 $M/objects/new"],
		["mv $L $M/machine/acpi-device"],
		["rm -f $M/objects/io0/poll-grow"],
	])("still refuses '%s'", async (line) => {
		const requests = await written.proxy.during(async () => {
			const { status, stderr } = await written.sh(`L=$M${rng}; ${line}`);
			expect(stderr).toMatch(/Operation not permitted$/m);
			expect(status).not.toBe(0);
		});
		expect(valuesSet(requests)).toEqual([]);
	});
});
