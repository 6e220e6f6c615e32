/** The events of QEMU, the newest first. */
import type { SeenEvent } from "./live.ts";

export function EventsView({
	events,
}: {
	readonly events: readonly SeenEvent[];
}) {
	return (
		<section class="events" role="log" aria-label="Events of QEMU">
			{events.length === 0 && <p class="empty">No event yet.</p>}
			<ol>
				{events.toReversed().map(({ time, text }) => (
					<li key={`${time} ${text}`}>
						<time>{time.slice(11, 23)}</time> <bdi>{text}</bdi>
					</li>
				))}
			</ol>
		</section>
	);
}
