/** Writing through a mount with the programs that users have, and what it costs. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { valuesSet } from "../support/countingProxy.ts";
import { failures } from "../support/failures.ts";
import { lacksMount } from "../support/mounted.ts";
import {
	file,
	lacksPython,
	noPython,
	quote,
	WrittenMount,
} from "../support/writtenMount.ts";

describe.skipIf(lacksMount)("a mount that is written to", () => {
	let written: WrittenMount;

	beforeAll(async () => {
		written = await WrittenMount.start();
	});

	afterAll(() => written?.stop());

	describe("by any program", () => {
		const path = "/objects/io0/poll-max-ns";

		it.for<[name: string, line: string, set: unknown[]]>([
			["echo", "echo 101 > $F", [101]],
			["printf without a newline", "printf 102 > $F", [102]],
			["tee", "echo 103 | tee $F > /dev/null", [103]],
			["tee -a", "echo 104 | tee -a $F > /dev/null", [104]],
			["dd", "echo 105 | dd of=$F status=none", [105]],
			["dd byte by byte", "echo 106 | dd of=$F bs=1 status=none", [1, 10, 106]],
			[
				"dd far behind the end",
				"echo 107 | dd of=$F bs=4 seek=9 status=none",
				[107],
			],
			["cp", "cp <(echo 108) $F", [108]],
			["cat", "cat > $F <<< 109", [109]],
			[">>", "echo 110 >> $F", [110]],
			["a handle for both", "exec 3<> $F; echo 111 >&3", [111]],
			["two pieces", "{ printf 1; echo 12; } > $F", [1, 112]],
			["a loop", "for t in 20 60 95; do echo $t; done > $F", [20, 60, 95]],
			[
				"a loop of >>",
				"for t in 21 61 96; do echo $t; done >> $F",
				[21, 61, 96],
			],
			[
				"a loop of one value",
				"for t in 1 2; do echo 113; done > $F",
				[113, 113],
			],
			["python3", `python3 -c 'open("'$F'", "w").write("114\\n")'`, [114]],
			[
				"python3, in lines",
				`python3 -c 'f = open("'$F'", "a", 1); f.write("5\\n"); f.write("6\\n")'`,
				[5, 6],
			],
		])("%s", async ([name, shellLine, expected], { skip }) => {
			skip(lacksPython && shellLine.startsWith("python3"), noPython);
			const requests = await written.asked(`F=$M${path}; ${shellLine}`);
			// The newline that comes alone may set the same value once more.
			const set = valuesSet(requests).filter(
				(value, index, all) =>
					!name.includes("byte") || value !== all[index - 1],
			);
			expect(set).toEqual(expected);
			expect(await written.get("/objects/io0", "poll-max-ns")).toBe(
				expected.at(-1),
			);
		});

		it("is one qom-set and at most two commands; opening for writing is none", async () => {
			const texts = new Map<string, string>();
			for (const known of [path, "/machine/append", "/objects/tg0/limits"])
				texts.set(
					known,
					(await written.sh(`cat ${file(known)}`)).stdout.trim(),
				);
			await sleep(2100); // value_timeout is over: nothing is prefetched any more
			for (const [known, text] of texts) {
				await written.asked(`[ -e ${file(known)} ]`);
				const opening = await written.asked(
					`exec 3>> ${file(known)}; exec 3>&-`,
				);
				expect(opening).toEqual([]);
				const echo = await written.asked(
					`echo ${quote(text)} > ${file(known)}`,
				);
				expect(echo.length).toBeLessThanOrEqual(2);
				expect(valuesSet(echo)).toHaveLength(1);
				const appended = await written.asked(
					`echo ${quote(text)} >> ${file(known)}`,
				);
				expect(appended.length).toBeLessThanOrEqual(2);
				expect(valuesSet(appended)).toHaveLength(1);
			}
		});

		it.each([
			"touch",
			"truncate -s 0",
			"truncate -s 100",
			": >",
			": >>",
			"printf '' >",
		])("'%s' succeeds and sets nothing", async (command) => {
			const before = await written.get("/objects/io0", "poll-max-ns");
			expect(
				valuesSet(await written.asked(`${command} ${file(path)}`)),
			).toEqual([]);
			expect(await written.get("/objects/io0", "poll-max-ns")).toBe(before);
		});

		it("moves the time of its last change", async () => {
			const stat = `stat -c %Y ${file("/objects/io0/poll-shrink")}`;
			await written.asked(`echo 5 > ${file("/objects/io0/poll-shrink")}`);
			const changed = Number((await written.sh(stat)).stdout);
			expect(Math.abs(Date.now() / 1000 - changed)).toBeLessThan(10);
		});

		it.each([
			["chmod 600 $F", false],
			["chown 1:1 $F", false],
			["mkdir $M/machine/new", false],
			["rmdir $M/machine/peripheral", false],
			["mkfifo $M/machine/new", false],
			["rm -f $F", true],
			["mv $F $M/objects/new", true],
			["mv $M/objects/io0 $M/objects/new", true],
			["ln $F $M/objects/new", false],
			["ln -s x $M/objects/new", true],
			["ln -sfn '(unset)' $M/machine/acpi-device", true],
			["touch $M/objects/new", false],
			["echo 1 > $M/objects/new", false],
			["setfattr -n user.new -v 1 $F", false],
			["setfattr -x user.qom.type $F", false],
		])("refuses '%s', recorded: %s", async (shellLine, isRecorded) => {
			const before = await failures(written.mounted);
			const requests = await written.proxy.during(async () => {
				const { status, stderr } = await written.sh(
					`F=$M${path}; ${shellLine}`,
				);
				expect(stderr).toMatch(/: Operation not permitted$/m);
				expect(status).not.toBe(0);
			});
			expect(valuesSet(requests)).toEqual([]);
			const recorded = (await failures(written.mounted)).slice(before.length);
			expect(recorded.map(({ errno }) => errno)).toEqual(
				isRecorded ? ["EPERM"] : [],
			);
		});
	});
});

describe.skipIf(lacksMount)("a mount with the default options", () => {
	let written: WrittenMount;

	beforeAll(async () => {
		written = await WrittenMount.start("");
	});

	afterAll(() => written?.stop());

	it("costs two commands a write with the default options too", async () => {
		const path = file("/objects/io0/poll-grow");
		const commands = async (shellLine: string) => {
			await sleep(1500); // cache_timeout is over: everything is looked up anew
			const requests = await written.proxy.during(() => written.sh(shellLine));
			return requests.map(({ command }) => command);
		};
		const lookup = await commands(`[ -e ${path} ]`);
		const echo = await commands(`[ -e ${path} ]; echo 3 > ${path}`);
		expect(lookup).toEqual(echo.slice(0, lookup.length));
		expect(echo.length - lookup.length).toBeLessThanOrEqual(2);
		expect(echo.at(-1)).toBe("qom-set");
	});
});
