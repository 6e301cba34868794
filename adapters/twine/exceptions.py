"""What Octue's resources, runner and children raise: the names that apps and their tests catch.

    OctueSDKException
    ├── InvalidInputException (ValueError)
    │   └── FileNotFoundException (FileNotFoundError)
    ├── InvalidTagException, InvalidLabelException (ValueError)
    ├── InvalidMonitorMessage
    ├── UnexpectedNumberOfResultsException, BrokenSequenceException
    ├── CloudLocationNotSpecified, CloudStorageBucketNotFound, ReadOnlyResource
    ├── ServiceNotFound, ServiceAlreadyExists, BackendNotFound, QuestionNotDelivered, DeploymentError
    └── ProtectedAttributeException

They are raised inside an app or by a program that uses these classes itself; the contract's own errors are in
``errors``, and twined's names in ``twined.exceptions``. Only the standard library is imported.
"""


class OctueSDKException(Exception):
    """The root of what Octue's classes raise."""


class InvalidInputException(OctueSDKException, ValueError):
    """An argument or its combination with others cannot be used."""


class FileNotFoundException(InvalidInputException, FileNotFoundError):
    """A file that was named is not there."""


class InvalidTagException(OctueSDKException, ValueError):
    """A tag's key is not of the documented form."""


class InvalidLabelException(OctueSDKException, ValueError):
    """A label is not of the documented form."""


class InvalidMonitorMessage(OctueSDKException):
    """A monitor message breaks the twine's ``monitor_message_schema``."""


class UnexpectedNumberOfResultsException(OctueSDKException):
    """One result was asked for, and none or several are there."""


class BrokenSequenceException(OctueSDKException):
    """An ordered container does not start, or does not go on, as was asked for."""


class CloudLocationNotSpecified(OctueSDKException):
    """Something that is only on this machine was asked for its place in a store."""


class CloudStorageBucketNotFound(OctueSDKException):
    """A store has no bucket of that name."""


class ReadOnlyResource(OctueSDKException):
    """Something that can only be read was to be changed."""


class ServiceNotFound(OctueSDKException):
    """No child of that name can be reached."""


class ServiceAlreadyExists(OctueSDKException):
    """A service of that name exists already."""


class BackendNotFound(OctueSDKException):
    """A backend is of no known kind."""


class QuestionNotDelivered(OctueSDKException):
    """A question did not reach the child."""


class DeploymentError(OctueSDKException):
    """A deployment cannot be used."""


class ProtectedAttributeException(OctueSDKException):
    """An attribute that is part of an object's identity was to be changed."""
