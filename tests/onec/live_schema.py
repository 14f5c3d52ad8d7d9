"""What the live service showed in February 2024: types of the core schema, columns of two reads.

An element is its name, its type (none: it has no type attribute), ``~`` when it may be nil, then
``?`` when it may be absent, ``+`` when it comes once or more, ``*`` when as often as it likes.
Names without a prefix are the schema's own; ``<UUID>`` is the pattern of a UUID.
"""

from typing import Final

CORE_TYPES: Final = {
    "AllowedLength": "xs:string Fixed | Variable",
    "AllowedSign": "xs:string Any | Nonnegative",
    "Array": "Value~*",
    "BinaryDataQualifiers": "Length xs:decimal, AllowedLength AllowedLength",
    "CompositeID": "xs:string pattern -?[0-9]+(:<UUID>)?",
    "DataFillError": (
        "Data xs:string, DataDescr xs:string, Text xs:string, Status FillCheckErrorStatus"
    ),
    "DataFillErrors": "item DataFillError*",
    "DateFractions": "xs:string Date | Time | DateTime",
    "DateQualifiers": "DateFractions DateFractions",
    "ErrorCategory": (
        "xs:string AccessViolation | LocalFileAccessError | NetworkError | PrinterError | "
        "ScriptCompileError | ScriptRuntimeError | ScriptUseError | ExceptionRaisedFromScript | "
        "CollaborationSystemError | DataCompositionSettingsError | SessionError | "
        "StoredDataError | FullTextSearchError | ExternalDataSourceError | GotoURLError | "
        "DatabaseCopyError | OtherError | AllErrors"
    ),
    "Exception": "extends GenericException: data xs:base64Binary?",
    "FileDragMode": "xs:string AsFile | AsFileRef",
    "FillCheckErrorStatus": "xs:string Error | Warning",
    "FillChecking": "xs:string DontCheck | ShowError",
    "FixedArray": "Value~*",
    "FixedMap": "pair KeyAndValue*",
    "FixedStructure": "Property*(name xs:NMTOKEN!, Value~)",
    "GenericException": (
        "abstract, clsid UUID!, encoded xs:boolean=false: descr xs:string, inner "
        "GenericException?, category xs:string?, uiHelperUUID UUID?, creationStack xs:string?"
    ),
    "KeyAndValue": "Key, Value~",
    "LocalStringItemType": "lang xs:NMTOKEN, content xs:string",
    "LocalStringType": "item LocalStringItemType*",
    "MainClientApplicationWindowMode": (
        "xs:string Normal | Workplace | FullscreenWorkplace | Kiosk | EmbeddedWorkplace"
    ),
    "Map": "pair KeyAndValue*",
    "Null": "xs:string length 0",
    "NumberQualifiers": "Digits xs:decimal, FractionDigits xs:decimal, AllowedSign AllowedSign",
    "ObjectVersion": "xs:string pattern [0-9a-fA-F]{40}",
    "StandardBeginningDate": "variant, date xs:dateTime?",
    "StandardBeginningDateVariant": (
        "xs:string Custom | BeginningOfThisDay | BeginningOfThisWeek | BeginningOfThisTenDays | "
        "BeginningOfThisMonth | BeginningOfThisQuarter | BeginningOfThisHalfYear | "
        "BeginningOfThisYear | BeginningOfLastDay | BeginningOfLastWeek | "
        "BeginningOfLastTenDays | BeginningOfLastMonth | BeginningOfLastQuarter | "
        "BeginningOfLastHalfYear | BeginningOfLastYear | BeginningOfNextDay | "
        "BeginningOfNextWeek | BeginningOfNextTenDays | BeginningOfNextMonth | "
        "BeginningOfNextQuarter | BeginningOfNextHalfYear | BeginningOfNextYear"
    ),
    "StandardPeriod": "variant, startDate xs:dateTime?, endDate xs:dateTime?",
    "StandardPeriodVariant": (
        "xs:string Custom | Today | ThisWeek | ThisTenDays | ThisMonth | ThisQuarter | "
        "ThisHalfYear | ThisYear | FromBeginningOfThisWeek | FromBeginningOfThisTenDays | "
        "FromBeginningOfThisMonth | FromBeginningOfThisQuarter | FromBeginningOfThisHalfYear | "
        "FromBeginningOfThisYear | Yesterday | LastWeek | LastTenDays | LastMonth | LastQuarter "
        "| LastHalfYear | LastYear | LastWeekTillSameWeekDay | LastTenDaysTillSameDayNumber | "
        "LastMonthTillSameDate | LastQuarterTillSameDate | LastHalfYearTillSameDate | "
        "LastYearTillSameDate | Tomorrow | NextWeek | NextTenDays | NextMonth | NextQuarter | "
        "NextHalfYear | NextYear | NextWeekTillSameWeekDay | NextTenDaysTillSameDayNumber | "
        "NextMonthTillSameDate | NextQuarterTillSameDate | NextHalfYearTillSameDate | "
        "NextYearTillSameDate | TillEndOfThisWeek | TillEndOfThisTenDays | TillEndOfThisMonth | "
        "TillEndOfThisQuarter | TillEndOfThisHalfYear | TillEndOfThisYear | Last7Days | "
        "Next7Days | Month"
    ),
    "StringQualifiers": "Length xs:decimal, AllowedLength AllowedLength",
    "Structure": "Property*(name xs:NMTOKEN!, Value~)",
    "Type": "xs:QName",
    "TypeDescription": (
        "Type xs:QName*, TypeSet xs:QName*, TypeId UUID*, NumberQualifiers NumberQualifiers?, "
        "StringQualifiers StringQualifiers?, DateQualifiers DateQualifiers?, "
        "BinaryDataQualifiers BinaryDataQualifiers?"
    ),
    "UUID": "xs:string pattern <UUID>",
    "ValueListItemType": (
        "value~, presentation xs:string?, checkState xs:decimal?, picture?, id xs:long?, "
        "formatPresentationSpecified xs:boolean?, formatPresentation xs:string?"
    ),
    "ValueListType": (
        "one of valueType TypeDescription, availableValues ValueListType?, lastId xs:long?, "
        "item ValueListItemType*"
    ),
    "ValueStorage": "xs:base64Binary",
    "ValueTable": "column ValueTableColumn*, index ValueTableIndex*, row ValueTableRow*",
    "ValueTableColumn": (
        "Name xs:NMTOKEN?, ValueType TypeDescription?, Title xs:string?, Width "
        "xs:nonNegativeInteger?"
    ),
    "ValueTableIndex": "column xs:NMTOKEN+",
    "ValueTableRow": "Value~*",
    "ValueTree": "column ValueTreeColumn*, row ValueTreeRow*",
    "ValueTreeColumn": (
        "Name xs:NMTOKEN?, ValueType TypeDescription?, Title xs:string?, Width "
        "xs:nonNegativeInteger?"
    ),
    "ValueTreeRow": "row ValueTreeRow*, Value~*",
}

_KEY: Final = ("xs:string", "Null", "Length 0", "AllowedLength Variable")
_WHOLE_NUMBER: Final = ("Digits 10", "FractionDigits 0", "AllowedSign Nonnegative")


def _text(length: int) -> tuple[str, ...]:
    return "xs:string", f"Length {length}", "AllowedLength Variable"


RECORDED_COLUMNS: Final = {
    "SpecialistRead": [
        ("SpecialistID", *_KEY),
        ("CreatedAt", "xs:dateTime", "DateFractions DateTime"),
        ("Deleted", "xs:boolean"),
        ("Login", "xs:decimal", *_WHOLE_NUMBER),
        ("Name", *_text(20)),
        ("Surname", *_text(20)),
        ("SecondaryName", *_text(20)),
        ("Birthday", "xs:dateTime", "DateFractions Date"),
        ("Post", *_text(50)),
        ("DepartmentID", *_KEY),
        ("Phone", *_text(320)),
        ("EMail", *_text(320)),
    ],
    "DepartmentRead": [("DepartmentID", *_KEY), ("Name", *_text(100)), ("Deleted", "xs:boolean")],
}
"""By operation: the names and types as written, and each qualifier with its value, in order."""
