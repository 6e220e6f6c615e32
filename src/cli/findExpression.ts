/** Tests put together as find(1) does: `!` binds closest, then neighbours, then `-o`; parentheses. */
import { UsageError } from "../errors.ts";
import type { HelpEntry } from "./command.ts";

/** Whether something is what is looked for. */
export type Test<Item> = (item: Item) => boolean | Promise<boolean>;

export type Expression<Leaf> =
	| { readonly kind: "leaf"; readonly leaf: Leaf }
	| { readonly kind: "not"; readonly operand: Expression<Leaf> }
	/** Of none, all hold. */
	| {
			readonly kind: "all" | "any";
			readonly operands: readonly Expression<Leaf>[];
	  };

/** For --help. */
export const operators: readonly HelpEntry[] = [
	{ term: "! TEST", meaning: "it does not hold; also -not" },
	{ term: "TEST -o TEST", meaning: "one of them holds; also -or" },
	{ term: "( TEST... )", meaning: "they belong together" },
];

const meanings: ReadonlyMap<string, "(" | ")" | "!" | "-o" | "-a"> = new Map([
	["(", "("],
	[")", ")"],
	["!", "!"],
	["-not", "!"],
	["-o", "-o"],
	["-or", "-o"],
	["-a", "-a"],
	["-and", "-a"],
]);

export const operatorNames: readonly string[] = [...meanings.keys()];

const deepest = 100;

/** What is inside a pair of parentheses, so far. */
interface Group<Leaf> {
	readonly alternatives: Expression<Leaf>[];
	/** That must all hold, since the last `-o`. */
	factors: Expression<Leaf>[];
	isNegated: boolean;
}

export class ExpressionParser<Leaf> {
	readonly #groups: Group<Leaf>[] = [emptyGroup()];

	/** Takes a word that is an operator. @throws UsageError it misses something before it */
	takesOperator(word: string): boolean {
		const meaning = meanings.get(word);
		if (meaning === undefined) return false;
		const group = this.#group;
		switch (meaning) {
			case "!":
				group.isNegated = !group.isNegated;
				break;
			case "(":
				if (this.#groups.length > deepest)
					throw new UsageError(`more than ${deepest} parentheses in another`);
				this.#groups.push(emptyGroup());
				break;
			case ")":
				if (this.#groups.length === 1)
					throw new UsageError("a ')' closes nothing");
				this.#groups.pop();
				this.#add(finished(group, word));
				break;
			default:
				if (group.isNegated || group.factors.length === 0)
					throw new UsageError(`a test is missing before '${word}'`);
				if (meaning === "-o") startAlternative(group);
		}
		return true;
	}

	takeLeaf(leaf: Leaf): void {
		this.#add({ kind: "leaf", leaf });
	}

	/** @throws UsageError something is missing at the end */
	end(): Expression<Leaf> {
		if (this.#groups.length > 1) throw new UsageError("a ')' is missing");
		const group = this.#group;
		const isEmpty =
			group.alternatives.length + group.factors.length === 0 &&
			!group.isNegated;
		return isEmpty ? { kind: "all", operands: [] } : finished(group, "the end");
	}

	get #group(): Group<Leaf> {
		return this.#groups.at(-1) as Group<Leaf>;
	}

	#add(operand: Expression<Leaf>): void {
		const group = this.#group;
		group.factors.push(group.isNegated ? { kind: "not", operand } : operand);
		group.isNegated = false;
	}
}

function emptyGroup<Leaf>(): Group<Leaf> {
	return { alternatives: [], factors: [], isNegated: false };
}

function startAlternative<Leaf>(group: Group<Leaf>): void {
	group.alternatives.push({ kind: "all", operands: group.factors });
	group.factors = [];
}

function finished<Leaf>(group: Group<Leaf>, word: string): Expression<Leaf> {
	if (group.isNegated || group.factors.length === 0)
		throw new UsageError(`a test is missing before ${word}`);
	startAlternative(group);
	return { kind: "any", operands: group.alternatives };
}

/** @param make the test that a leaf stands for */
export async function testOf<Item, Leaf>(
	expression: Expression<Leaf>,
	make: (leaf: Leaf) => Promise<Test<Item>>,
): Promise<Test<Item>> {
	if (expression.kind === "leaf") return make(expression.leaf);
	if (expression.kind === "not") {
		const holds = await testOf(expression.operand, make);
		return async (item) => !(await holds(item));
	}
	const tests: Test<Item>[] = [];
	for (const operand of expression.operands)
		tests.push(await testOf(operand, make));
	// One that decides is the last that is asked, for each may cost a command.
	const decides = expression.kind === "any";
	return async (item) => {
		for (const test of tests)
			if ((await test(item)) === decides) return decides;
		return !decides;
	};
}
