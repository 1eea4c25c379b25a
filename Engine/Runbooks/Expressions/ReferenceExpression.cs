namespace VmMigration.Engine.Runbooks.Expressions;

/// <summary>A path such as <c>steps.vm.output.Name</c> or <c>item[0]</c>.</summary>
/// <param name="Location">Where it begins.</param>
/// <param name="Root">Its first name.</param>
/// <param name="Segments">What follows the first name.</param>
internal sealed record ReferenceExpression(SourceLocation Location, string Root, IReadOnlyList<ReferenceSegment> Segments)
    : Expression(Location);
