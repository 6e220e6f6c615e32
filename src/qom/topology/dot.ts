/** Buses and devices as a graph in the language of dot(1). */
import type { Bus, Device, Topology } from "./buses.ts";

const head = `digraph machine {
rankdir=LR
bgcolor="transparent"
node [shape=box style="rounded,filled" fillcolor="#eef3fb" color="#4a6fa5" fontcolor="#1b2733" fontname="Helvetica" fontsize=11]
edge [color="#7a8ba3" arrowhead=none]
`;

const busStyle = 'shape=ellipse fillcolor="#fdf3e0" color="#b07a1e"';

/** Longer ones no machine has, and Graphviz takes more memory than there is for some. */
const longestLabel = 200;

export function dotOf({ buses, loose }: Topology): string {
	const lines: string[] = [];
	const addBus = (bus: Bus): void => {
		lines.push(
			`${quoted(bus.path)} [label=${quoted(bus.name.slice(0, longestLabel))} ${busStyle}]`,
		);
		for (const device of bus.devices) {
			addDevice(device);
			lines.push(`${quoted(bus.path)} -> ${quoted(device.path)}`);
		}
	};
	const addDevice = (device: Device): void => {
		const { path, type, address, buses } = device;
		const label = [address, type, device.id].filter(
			(part) => part !== undefined,
		);
		lines.push(
			`${quoted(path)} [label=${quoted(label.join("\n").slice(0, longestLabel))}]`,
		);
		for (const bus of buses) {
			addBus(bus);
			lines.push(`${quoted(path)} -> ${quoted(bus.path)}`);
		}
	};
	buses.forEach(addBus);
	loose.forEach(addDevice);
	return `${head}${lines.join("\n")}\n}\n`;
}

/** What comes from a machine must end neither the text nor the line, nor be taken for a character reference. */
function quoted(text: string): string {
	const plain = text
		.replace(/\\/g, "\\\\")
		.replace(/"/g, '\\"')
		.replace(/&/g, "&amp;")
		.replace(/\n/g, "\\n")
		.replace(/[\p{Cc}\p{Cs}\ufffe\uffff]/gu, "?"); // what XML does not allow
	return `"${plain}"`;
}
