//! What happened, as values: event log, pcapng, ladder diagrams.
