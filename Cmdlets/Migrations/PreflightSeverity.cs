namespace VmMigration.Cmdlets;

/// <summary>How much a preflight finding matters.</summary>
public enum PreflightSeverity
{
    /// <summary>Says which way the migration will go.</summary>
    Information = 1,

    /// <summary>The migration will work, with a cost.</summary>
    Warning = 2,

    /// <summary>The migration cannot work.</summary>
    Error = 3,
}
