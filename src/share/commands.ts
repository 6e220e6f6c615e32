/** What the commands of QMP do to a machine's tree, by their names (qapi/*.json). */

/** They read, and nothing else. */
const reading =
	/^(query-.*|qom-get|qom-list|qom-list-get|qom-list-properties|qom-list-types|device-list-properties)$/;

/** Whether a command leaves the tree as it is. What is not known may change it. */
export function isReading(command: string): boolean {
	return reading.test(command);
}
