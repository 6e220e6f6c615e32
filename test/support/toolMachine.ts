/** The tools, the small machine that they talk to, and a second monitor that tells what is so. */
import { startTestMachine, type TestMachine } from "./mounted.ts";
import { childPath, RawQmp, type RawReply, walk } from "./rawQmp.ts";
import { Tools } from "./tools.ts";

export class ToolMachine {
	readonly vm: TestMachine;
	readonly qmp: RawQmp;
	readonly tools: Tools;

	static async start(): Promise<ToolMachine> {
		const vm = await startTestMachine();
		const qmp = await RawQmp.connect(vm.secondSocket);
		return new ToolMachine(vm, qmp, await Tools.create(vm.socket));
	}

	private constructor(vm: TestMachine, qmp: RawQmp, tools: Tools) {
		this.vm = vm;
		this.qmp = qmp;
		this.tools = tools;
	}

	/** What QEMU has. */
	get(path: string, property: string): Promise<RawReply> {
		return this.qmp.execute("qom-get", { path, property });
	}

	set(path: string, property: string, value: unknown): Promise<RawReply> {
		return this.qmp.execute("qom-set", { path, property, value });
	}

	/** Of all objects, the root first. */
	async objectPaths(): Promise<readonly string[]> {
		const children = (await walk(this.qmp)).filter(({ type }) =>
			type.startsWith("child<"),
		);
		return [
			"/",
			...children.map(({ object, name }) => childPath(object, name)),
		];
	}

	async stop(): Promise<void> {
		this.qmp.close();
		await this.tools.remove();
		await this.vm.stop();
	}
}
