//! What shall happen to packets, as flags: each quantity for both directions, or for one.

use std::fmt;

use clap::{Arg, ArgMatches, Args, Command, Error, FromArgMatches};
use handfast_base::Duration;
use handfast_link::impaired::{Hop, Impairment, Queue, Rate};

use super::units::{self, Delay, QueueLength};

/// What was said of each direction; nothing by default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImpairmentArguments {
    /// Of both.
    pub both: Quantities,
    /// From the program to us.
    pub up: Quantities,
    /// From us to the program.
    pub down: Quantities,
}

/// The quantities of an impairment, each as far as it was said.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Quantities {
    /// Probability of loss.
    pub loss: Option<f64>,
    /// Mean packets in a run of losses.
    pub burst: Option<f64>,
    /// One-way delay.
    pub delay: Option<Duration>,
    /// Its variation either way.
    pub jitter: Option<Duration>,
    /// Bits a second.
    pub rate: Option<u64>,
    /// What may wait for the rate.
    pub queue: Option<QueueLength>,
    /// Probability of passing out of order.
    pub reorder: Option<f64>,
    /// Probability of a second copy.
    pub duplicate: Option<f64>,
    /// Probability of a flipped bit.
    pub corrupt: Option<f64>,
    /// Octets that may wait for the rate unmarked.
    pub ecn_mark: Option<u64>,
    /// A hop that carries less than the link.
    pub hop: Option<Hop>,
}

impl Quantities {
    /// What is said here, and else what is said there.
    pub fn or(self, other: Quantities) -> Quantities {
        Quantities {
            loss: self.loss.or(other.loss),
            burst: self.burst.or(other.burst),
            delay: self.delay.or(other.delay),
            jitter: self.jitter.or(other.jitter),
            rate: self.rate.or(other.rate),
            queue: self.queue.or(other.queue),
            reorder: self.reorder.or(other.reorder),
            duplicate: self.duplicate.or(other.duplicate),
            corrupt: self.corrupt.or(other.corrupt),
            ecn_mark: self.ecn_mark.or(other.ecn_mark),
            hop: self.hop.or(other.hop),
        }
    }

    /// As an impairment of a path whose delays both ways add up to `round_trip`.
    ///
    /// # Errors
    /// Which quantity lacks another, in one line with a fix.
    fn impairment(&self, way: Way, round_trip: Duration) -> Result<Impairment, String> {
        let flag = |name: &str| format!("--{}{name}", way.prefix());
        let given = |p: Option<f64>| p.unwrap_or(0.0);
        if self.burst.is_some() && given(self.loss) == 0.0 {
            let (burst, loss) = (flag("burst"), flag("loss"));
            return Err(format!(
                "{burst} groups losses, and none are asked for; fix: add {loss} 1%"
            ));
        }
        if self.ecn_mark.is_some() && self.rate.is_none() {
            return Err(format!(
                "{} marks what waits for a bottleneck, and there is none; fix: add {} 10mbit",
                flag("ecn-mark"),
                flag("rate")
            ));
        }
        let rate = match (self.rate, self.queue) {
            (None, None) => None,
            (None, Some(_)) => {
                return Err(format!(
                    "{} is the room in front of a bottleneck, and there is none; fix: add {} 10mbit",
                    flag("queue"),
                    flag("rate")
                ));
            }
            (Some(bits_per_second), queue) => Some(Rate {
                bits_per_second,
                queue: self.bound(way, bits_per_second, queue, round_trip)?,
            }),
        };
        Ok(Impairment {
            loss: given(self.loss),
            burst: given(self.burst),
            delay: self.delay.unwrap_or_default(),
            jitter: self.jitter.unwrap_or_default(),
            rate,
            reorder: given(self.reorder),
            duplicate: given(self.duplicate),
            corrupt: given(self.corrupt),
            ecn_mark: self.ecn_mark,
            hop: self.hop,
            ..Impairment::default()
        })
    }

    /// The bound of the queue in front of a bottleneck.
    fn bound(
        &self,
        way: Way,
        bits_per_second: u64,
        queue: Option<QueueLength>,
        round_trip: Duration,
    ) -> Result<Queue, String> {
        let product = |time| Queue::bandwidth_delay_product(bits_per_second, time);
        match queue {
            None => Ok(match product(DEFAULT_QUEUE) {
                Queue::Octets(octets) => Queue::Octets(octets.max(LEAST_QUEUE)),
                other => other,
            }),
            Some(QueueLength::Packets(packets)) => Ok(Queue::Packets(packets)),
            Some(QueueLength::Octets(octets)) => Ok(Queue::Octets(octets)),
            Some(QueueLength::BandwidthDelay(_)) if round_trip.is_zero() => Err(format!(
                "--{0}queue in bandwidth-delay products needs a delay; fix: add --{0}delay 20ms, or \
                 give the queue in packets (100p) or octets (64kB)",
                way.prefix()
            )),
            Some(QueueLength::BandwidthDelay(times)) => Ok(product(round_trip.mul_f64(times))),
        }
    }
}

/// Without a word about it a bottleneck's queue holds what passes it in this time: the usual rule
/// of one bandwidth-delay product, for a usual round trip.
const DEFAULT_QUEUE: Duration = Duration::from_millis(100);
/// And at least so many octets: ten packets of 1500.
const LEAST_QUEUE: u64 = 15_000;

impl ImpairmentArguments {
    /// Both directions as impairments, up and down, with `preset` for what was not said.
    ///
    /// # Errors
    /// Which quantity lacks another, in one line with a fix.
    pub fn impairments(&self, preset: [Quantities; 2]) -> Result<(Impairment, Impairment), String> {
        let up = self.up.or(self.both).or(preset[0]);
        let down = self.down.or(self.both).or(preset[1]);
        let delays = [up.delay, down.delay].map(Option::unwrap_or_default);
        let round_trip = delays[0] + delays[1];
        // A flag for both directions is to be named as it was written.
        let way = |one: &Quantities, way| {
            if *one == Quantities::default() {
                Way::Both
            } else {
                way
            }
        };
        Ok((
            up.impairment(way(&self.up, Way::Up), round_trip)?,
            down.impairment(way(&self.down, Way::Down), round_trip)?,
        ))
    }

    fn of(&mut self, way: Way) -> &mut Quantities {
        match way {
            Way::Both => &mut self.both,
            Way::Up => &mut self.up,
            Way::Down => &mut self.down,
        }
    }
}

/// Which way a flag is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Both,
    Up,
    Down,
}

impl Way {
    const ALL: [Way; 3] = [Way::Both, Way::Up, Way::Down];

    /// What the name of a flag begins with.
    fn prefix(self) -> &'static str {
        match self {
            Way::Both => "",
            Way::Up => "up-",
            Way::Down => "down-",
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Way::Both => "each way",
            Way::Up => "from the program only",
            Way::Down => "to the program only",
        })
    }
}

/// One quantity as a flag.
struct Flag {
    /// For both directions, up, and down.
    names: [&'static str; 3],
    value: &'static str,
    help: &'static str,
    /// What goes on below the first line, if something does.
    more: &'static str,
}

const FLAGS: [Flag; 11] = [
    Flag {
        names: ["loss", "up-loss", "down-loss"],
        value: "PERCENT",
        help: "Packets lost",
        more: "",
    },
    Flag {
        names: ["burst", "up-burst", "down-burst"],
        value: "PACKETS",
        help: "Mean length of a run of losses",
        more: "The share lost stays the one of --loss. Without this flag losses are independent of \
               each other.",
    },
    Flag {
        names: ["delay", "up-delay", "down-delay"],
        value: "TIME[±TIME]",
        help: "One-way delay, and how much it varies",
        more: "Each way: a round trip takes twice as much longer. Units: us, ms, s. +- may be \
               written for ±.",
    },
    Flag {
        names: ["jitter", "up-jitter", "down-jitter"],
        value: "TIME",
        help: "Variation of the delay, either way of it",
        more: "Uniform; packets keep their order.",
    },
    Flag {
        names: ["rate", "up-rate", "down-rate"],
        value: "RATE",
        help: "Bottleneck, in kbit, mbit or gbit a second",
        more: "Bits of IP packets. Packets leave one after the other, and wait in a queue before.",
    },
    Flag {
        names: ["queue", "up-queue", "down-queue"],
        value: "LENGTH",
        help: "Room before the bottleneck: 100p, 64kB or 1bdp",
        more: "p is packets, B, kB, MB octets, bdp products of rate and round-trip delay. What finds \
               no room is lost. Default: what the rate passes in 100 ms, and at least 15 kB.",
    },
    Flag {
        names: ["reorder", "up-reorder", "down-reorder"],
        value: "PERCENT",
        help: "Packets held back while five others pass",
        more: "Each is held back for as long as five packets of its size take at the rate, and at \
               least for 1 ms.",
    },
    Flag {
        names: ["duplicate", "up-duplicate", "down-duplicate"],
        value: "PERCENT",
        help: "Packets that arrive twice",
        more: "",
    },
    Flag {
        names: ["corrupt", "up-corrupt", "down-corrupt"],
        value: "PERCENT",
        help: "Packets in which a bit is flipped",
        more: "Any bit, headers included; nearly all of them are then thrown away for their checksum.",
    },
    Flag {
        names: ["ecn-mark", "up-ecn-mark", "down-ecn-mark"],
        value: "SIZE",
        help: "Mark packets, instead of losing them, when so much waits at the bottleneck",
        more: "Explicit congestion notification (RFC 3168), for senders that take part. The program's \
               kernel does then, unless --sysctl net.ipv4.tcp_ecn=0; our side, unless --ecn off.",
    },
    Flag {
        names: ["hop-mtu", "up-hop-mtu", "down-hop-mtu"],
        value: "OCTETS[,silent]",
        help: "A router on the way that carries only such IP packets",
        more: "Larger ones are lost. It says so to their sender (RFC 1191, RFC 8201), or is silent: a \
               black hole.",
    },
];

const BOTH: &str = "Impairments, each way (units are required)";
const SINGLE: &str = "Impairments, one way (over what is said for both)";

impl Args for ImpairmentArguments {
    fn augment_args(command: Command) -> Command {
        let flags = Way::ALL
            .into_iter()
            .flat_map(|way| FLAGS.iter().map(move |f| (way, f)));
        command.args(flags.map(|(way, flag)| argument(way, flag)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        ImpairmentArguments::augment_args(command)
    }
}

fn argument(way: Way, flag: &Flag) -> Arg {
    let name = flag.names[way as usize];
    let argument = Arg::new(name).long(name).value_name(flag.value);
    let argument = match flag.names[0] {
        "delay" => argument.value_parser(units::delay),
        "jitter" => argument.value_parser(units::duration),
        "rate" => argument.value_parser(units::rate),
        "queue" => argument.value_parser(units::queue),
        "burst" => argument.value_parser(units::burst),
        "ecn-mark" => argument.value_parser(units::octets),
        "hop-mtu" => argument.value_parser(units::hop),
        _ => argument.value_parser(units::probability),
    };
    match way {
        Way::Both if flag.more.is_empty() => argument.help(flag.help).help_heading(BOTH),
        Way::Both => argument
            .help(flag.help)
            .long_help(format!("{}\n\n{}", flag.help, flag.more))
            .help_heading(BOTH),
        _ => argument
            .help(format!("As --{}, {way}", flag.names[0]))
            .hide_short_help(true)
            .help_heading(SINGLE),
    }
}

impl FromArgMatches for ImpairmentArguments {
    fn from_arg_matches(matches: &ArgMatches) -> Result<ImpairmentArguments, Error> {
        let mut arguments = ImpairmentArguments::default();
        arguments.update_from_arg_matches(matches)?;
        Ok(arguments)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        fn get<T: Clone + Send + Sync + 'static>(
            matches: &ArgMatches,
            way: Way,
            name: &str,
        ) -> Option<T> {
            let id = format!("{}{name}", way.prefix());
            matches.get_one::<T>(&id).cloned()
        }
        for way in Way::ALL {
            let delay: Option<Delay> = get(matches, way, "delay");
            let said = Quantities {
                loss: get(matches, way, "loss"),
                burst: get(matches, way, "burst"),
                delay: delay.map(|d| d.delay),
                jitter: get(matches, way, "jitter").or(delay.and_then(|d| d.jitter)),
                rate: get(matches, way, "rate"),
                queue: get(matches, way, "queue"),
                reorder: get(matches, way, "reorder"),
                duplicate: get(matches, way, "duplicate"),
                corrupt: get(matches, way, "corrupt"),
                ecn_mark: get(matches, way, "ecn-mark"),
                hop: get(matches, way, "hop-mtu"),
            };
            *self.of(way) = said.or(*self.of(way));
        }
        Ok(())
    }
}
