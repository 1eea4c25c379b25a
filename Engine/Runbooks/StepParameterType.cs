namespace VmMigration.Engine.Runbooks;

/// <summary>What the text written for a cmdlet's parameter is turned into.</summary>
public enum StepParameterType
{
    /// <summary>Never used.</summary>
    Invalid = 0,

    /// <summary>An object: plain <c>true</c>, <c>false</c> and whole numbers become what they look like, all else stays text.</summary>
    Any = 1,

    /// <summary>Text.</summary>
    Text = 2,

    /// <summary>A whole number; sizes such as <c>512MiB</c> count as bytes.</summary>
    Integer = 3,

    /// <summary>A number with or without a fraction.</summary>
    Number = 4,

    /// <summary><c>true</c> or <c>false</c>; a switch.</summary>
    Boolean = 5,

    /// <summary>A time span such as <c>90s</c> or <c>1m30s</c>.</summary>
    Duration = 6,

    /// <summary>One of a list of words.</summary>
    Choice = 7,
}
