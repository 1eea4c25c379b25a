namespace VmMigration.Engine.Runbooks;

/// <summary>The type of a runbook's parameter.</summary>
public enum ParameterType
{
    /// <summary>Never used.</summary>
    Invalid = 0,

    /// <summary>Text; a <see cref="string"/>.</summary>
    String = 1,

    /// <summary>A whole number; a <see cref="long"/>.</summary>
    Int = 2,

    /// <summary><c>true</c> or <c>false</c>; a <see cref="bool"/>.</summary>
    Bool = 3,

    /// <summary>A number of bytes such as <c>512MiB</c>; a <see cref="long"/>.</summary>
    Size = 4,

    /// <summary>A time span such as <c>90s</c> or <c>1m30s</c>; a <see cref="TimeSpan"/>.</summary>
    Duration = 5,
}
