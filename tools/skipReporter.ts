/** Names at the end of a test run whatever was skipped, under its reason. */
import type {
	Reporter,
	TestCase,
	TestModule,
	TestSuite,
	Vitest,
} from "vitest/node";

/** The default export is what vitest loads. */
export default class SkipReporter implements Reporter {
	#isSelection = false;

	onInit(vitest: Vitest): void {
		this.#isSelection = vitest.config.testNamePattern !== undefined;
	}

	onTestRunEnd(modules: readonly TestModule[]): void {
		if (this.#isSelection) return; // what was not asked for counts as skipped
		const namesByReason = new Map<string, string[]>();
		for (const module of modules)
			for (const [name, reason] of skippedIn(module)) {
				const title = `${module.relativeModuleId} > ${name}`;
				namesByReason.set(reason, [
					...(namesByReason.get(reason) ?? []),
					title,
				]);
			}
		for (const [reason, names] of namesByReason)
			console.log(`\nSkipped: ${reason}\n  ${names.join("\n  ")}`);
	}
}

/** Names with reasons; a suite without any test that ran is one of them. */
function* skippedIn(
	suite: TestModule | TestSuite,
): Generator<[name: string, reason: string]> {
	for (const child of suite.children) {
		const tests =
			child.type === "test" ? [child] : [...child.children.allTests()];
		const reasons = new Set(tests.map(reasonOf));
		const [reason] = reasons;
		if (reasons.size === 1 && reason !== undefined) {
			const count = tests.length > 1 ? ` (${tests.length} tests)` : "";
			yield [`${child.fullName}${count}`, reason];
		} else if (child.type === "suite") yield* skippedIn(child);
	}
}

/** Why a test was skipped, or undefined if it was not. */
function reasonOf(test: TestCase): string | undefined {
	const result = test.result();
	if (result.state !== "skipped") return undefined;
	// A suite is skipped as a whole for want of a part that test.ts has named.
	return result.note ?? `without ${process.env.QOMFS_MISSING || "a reason"}`;
}
