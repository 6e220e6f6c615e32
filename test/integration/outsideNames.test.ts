/** Names that every JavaScript object knows, and no machine does. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
	lacksMount,
	type Mounted,
	mountQomfs,
	startTestMachine,
	type TestMachine,
} from "../support/mounted.ts";

const names = [
	"constructor",
	"__proto__",
	"toString",
	"hasOwnProperty",
	"valueOf",
];

describe.skipIf(lacksMount)("a name that only JavaScript knows", () => {
	let vm: TestMachine;
	let mounted: Mounted;
	let pid: number;

	beforeAll(async () => {
		vm = await startTestMachine();
		mounted = await mountQomfs(vm.socket);
		({ pid } = await mounted.status());
	});

	afterAll(async () => {
		await mounted?.unmount();
		await vm?.stop();
	});

	it.each(names)("is no extended attribute: user.qom.%s", async (name) => {
		for (const file of ["$M", "$M/machine", "$M/machine/type", "$M/.qomfs"]) {
			const { status, stderr } = await mounted.sh(
				`getfattr -n user.qom.${name} --absolute-names ${file}`,
			);
			expect(status).toBe(1);
			expect(stderr).toMatch(/No such attribute|Operation not supported/);
		}
		expect((await mounted.status()).pid).toBe(pid);
	});

	it.each(names)("is no file: %s", async (name) => {
		const { stdout, stderr } = await mounted.sh(
			`for directory in "$M" "$M/machine" "$M/objects/sec0" "$M/.qomfs"; do
				cat "$directory/${name}"; ls "$directory/${name}/"; echo x > "$directory/${name}"
			done`,
		);
		expect(stdout).toBe("");
		expect(stderr.split("\n").slice(0, -1)).toHaveLength(12);
		expect(stderr).not.toMatch(/not connected|Input\/output/);
		expect((await mounted.status()).pid).toBe(pid);
	});
});
