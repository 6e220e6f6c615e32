/** What is different between the two machines of the page. */
import type { DifferenceEntry } from "../data.ts";
import { hrefOf } from "./model.ts";

interface DifferencesViewProps {
	readonly title: string;
	readonly differences: readonly DifferenceEntry[];
}

export function DifferencesView({ title, differences }: DifferencesViewProps) {
	return (
		<section class="differences">
			<p class="caption">Compared with {title}</p>
			{differences.length === 0 && <p class="empty">Nothing is different.</p>}
			{differences.map((difference) =>
				difference.properties.length > 0 && difference.change === "changed" ? (
					<details
						key={keyOf(difference)}
						open={difference.properties.length < 30}
					>
						<summary>
							<Title {...difference} />
						</summary>
						<ValueTable {...difference} />
					</details>
				) : (
					<p key={keyOf(difference)} class="whole">
						<Title {...difference} />
					</p>
				),
			)}
		</section>
	);
}

function keyOf({ change, path }: DifferenceEntry): string {
	return `${change} ${path}`;
}

function Title({ change, path, from, type }: DifferenceEntry) {
	return (
		<>
			<span class={`change ${change}`}>{change}</span>{" "}
			{change === "removed" ? (
				<bdi>{path}</bdi>
			) : (
				<a href={hrefOf(path)}>
					<bdi>{path}</bdi>
				</a>
			)}{" "}
			{from !== undefined && <bdi class="type">was {from}</bdi>}{" "}
			<bdi class="type">{type}</bdi>
		</>
	);
}

function ValueTable({ properties }: DifferenceEntry) {
	return (
		<table>
			<thead>
				<tr>
					<th scope="col">Property</th>
					<th scope="col">Before</th>
					<th scope="col">After</th>
				</tr>
			</thead>
			<tbody>
				{properties.map(([name, before, after]) => (
					<tr key={name}>
						<th scope="row">
							<bdi>{name}</bdi>
						</th>
						<td class="before">
							<bdi>{shown(before)}</bdi>
						</td>
						<td class="after">
							<bdi>{shown(after)}</bdi>
						</td>
					</tr>
				))}
			</tbody>
		</table>
	);
}

function shown(value: string | null): string {
	return value === "" ? '""' : (value ?? "(none)");
}
