"""Octue's essential monitor messages: what any service can say of its progress, in one known form.

Each message names the service and the time, as the schema ``octue/essential-monitors`` asks, and passes the app's own
``monitor_message_schema`` as any other message does.
"""

import datetime as dt
import logging

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fairlead.adapters.twine.analysis import Analysis

logger = logging.getLogger(__name__)


def send_status_text(analysis: "Analysis", text: str, service_name: str) -> None:
    """Send a status text, and log it at level INFO.

    Args:
        analysis: the analysis that the message is about.
        text: what is going on.
        service_name: the service that runs the analysis.

    Raises:
        InvalidMonitorMessage: the twine does not allow it.
    """
    logger.info(text)
    analysis.send_monitor_message({"service": service_name, "status_text": text, "date_time": _now()})


def send_estimated_seconds_remaining(
    analysis: "Analysis", estimated_seconds_remaining: float, service_name: str
) -> None:
    """Send how many seconds the analysis will still take, by an estimate; see `send_status_text`."""
    analysis.send_monitor_message(
        {
            "service": service_name,
            "estimated_seconds_remaining": estimated_seconds_remaining,
            "date_time": _now(),
        }
    )


def _now() -> str:
    return dt.datetime.now(tz=dt.UTC).replace(tzinfo=None).isoformat()
