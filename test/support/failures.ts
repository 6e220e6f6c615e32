/** What a user sees of a failure, in every place where its reason is kept. */
import { expect } from "vitest";
import { type Mounted, runQomfs } from "./mounted.ts";
import { file } from "./writtenMount.ts";

/** `.qomfs/errors`, the oldest first. */
export async function failures(
	mounted: Mounted,
): Promise<Record<string, unknown>[]> {
	const { stdout } = await mounted.sh('cat "$M/.qomfs/errors"');
	return stdout
		.split("\n")
		.filter((text) => text !== "")
		.map((text) => JSON.parse(text));
}

/** A failure as a user meets it, in every place where its reason is kept. */
export interface ExpectedFailure {
	readonly line: string;
	/** Of the file that it concerns. */
	readonly path: string;
	readonly sees: string;
	readonly errno: string;
	readonly desc: RegExp;
	/** `GenericError` unless it is our own refusal. */
	readonly class?: string | null;
	readonly operation?: string;
}

export async function expectFailure(
	mounted: Mounted,
	{
		path,
		sees,
		errno,
		desc,
		class: errorClass = "GenericError",
		operation = "write",
		...expected
	}: ExpectedFailure,
): Promise<void> {
	const { status, stderr } = await mounted.sh(expected.line);
	expect(stderr).toContain(`: ${sees}`);
	expect(status).toBe(1);
	expect((await failures(mounted)).at(-1)).toEqual({
		time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
		...{ operation, path, class: errorClass, errno },
		desc: expect.stringMatching(desc),
	});
	const why = await runQomfs("why", mounted.path + path);
	expect(why).toMatchObject({ status: 0, stderr: "" });
	expect(why.stdout).toMatch(new RegExp(`${operation}: ${errno}: `));
	expect(why.stdout).toMatch(new RegExp(desc.source.replaceAll(/[$^]/g, "")));
	// A QEMU that did not answer may have to come to itself first.
	const xattr = async () =>
		(
			await mounted.sh(
				`getfattr --absolute-names --only-values -n user.qom.error ${file(path)}`,
			)
		).stdout;
	await expect.poll(xattr).toMatch(new RegExp(`^${errno}: `));
	expect((await xattr()).slice(errno.length + 2)).toMatch(desc);
}
