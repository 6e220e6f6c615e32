/** A mount with `-o ro`. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { lacksMount } from "../support/mounted.ts";
import { WrittenMount } from "../support/writtenMount.ts";

describe.skipIf(lacksMount)("mounted with -o ro, a machine", () => {
	let written: WrittenMount;

	beforeAll(async () => {
		written = await WrittenMount.start("ro");
	});

	afterAll(() => written?.stop());

	it.each([
		["echo 1 > $F"],
		["echo 1 >> $F"],
		[": > $F"],
		["touch $F"],
		["truncate -s 0 $F"],
		["chmod 600 $F"],
		["rm -f $F"],
		["mv $F $M/x"],
		["mkdir $M/x"],
		["rmdir $M/machine"],
		["touch $M/x"],
		["ln $F $M/x"],
		["ln -sfn '(unset)' $M/machine/acpi-device"],
		["setfattr -n user.x -v 1 $F"],
	])("'%s' meets a read-only file system", async (line) => {
		const { status, stderr } = await written.sh(
			`F=$M/objects/io0/poll-grow; ${line}`,
		);
		expect(stderr).toMatch(/Read-only file system$/m);
		expect(status).not.toBe(0);
	});

	it("is one for the kernel, too", async () => {
		const { stdout } = await written.sh('findmnt -n -o OPTIONS "$M"');
		expect(stdout).toMatch(/^ro,/);
	});

	it("shows nothing as writable", async () => {
		const { stdout } = await written.sh(
			`stat -c '%a %n' "$M" "$M"/objects "$M"/objects/sec0/{data,format} | cut -d' ' -f1`,
		);
		expect(stdout).toBe("555\n555\n400\n444\n");
		const found = await written.sh(
			'find "$M/objects" ! -type l -perm /222 | wc -l',
		);
		expect(found.stdout).toBe("0\n");
	});
});
