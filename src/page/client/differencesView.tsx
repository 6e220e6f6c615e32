/** What is different between the two machines of the page. */
import type { DifferenceEntry } from "../data.ts";
import { hrefOf } from "./model.ts";

interface DifferencesViewProps {
	readonly title: string;
	readonly differences: readonly DifferenceEntry[];
}

const words = {
	added: "added",
	removed: "removed",
	changed: "changed",
	renumbered: "renumbered",
} as const;

export function DifferencesView({ title, differences }: DifferencesViewProps) {
	return (
		<section class="differences">
			<p class="caption">Compared with {title}</p>
			{differences.length === 0 && <p class="empty">Nothing is different.</p>}
			{differences.map(({ change, path, from, type, properties }) => (
				<details key={`${change} ${path}`} open={properties.length < 30}>
					<summary>
						<span class={`change ${change}`}>{words[change]}</span>{" "}
						{change === "removed" ? (
							<bdi>{path}</bdi>
						) : (
							<a href={hrefOf(path)}>
								<bdi>{path}</bdi>
							</a>
						)}{" "}
						{from !== undefined && <bdi class="type">was {from}</bdi>}{" "}
						<bdi class="type">{type}</bdi>
					</summary>
					{change === "changed" && (
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
											<bdi>{before ?? "(none)"}</bdi>
										</td>
										<td class="after">
											<bdi>{after ?? "(none)"}</bdi>
										</td>
									</tr>
								))}
							</tbody>
						</table>
					)}
				</details>
			))}
		</section>
	);
}
