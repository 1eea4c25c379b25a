namespace VmMigration.Engine.Runbooks.Expressions;

/// <summary>The output of a step that was only planned. Whatever is computed from it is unknown too.</summary>
public sealed class UnknownValue
{
    private UnknownValue()
    {
    }

    /// <summary>The only instance.</summary>
    public static UnknownValue Instance { get; } = new();

    /// <summary>How a plan shows it.</summary>
    public override string ToString() => "<unknown>";
}
